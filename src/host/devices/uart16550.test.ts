import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Uart16550, UART_INPUT_BYTES_MAX } from './uart16550.js'

const typed = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text))

function uart(): { uart: Uart16550; read: () => string } {
  const model = new Uart16550(
    () => undefined,
    () => undefined,
    () => undefined,
  )
  const read = (): string => {
    let text = ''
    while (model.read(5) & 1) text += String.fromCharCode(model.read(0))
    return text
  }
  return { uart: model, read }
}

test("what was typed before the driver came up survives its probing (the writes of Linux' 8250 driver)", () => {
  const { uart: model, read } = uart()
  model.input(typed('expr 6 * 7'))
  const probe: [number, number][] = [
    [1, 0],
    [1, 0x0f],
    [1, 0],
    [2, 0],
    [2, 1],
    [2, 7],
    [2, 0],
    [4, 9],
    [1, 5],
    [2, 1],
    [2, 0x81],
    [4, 0x0b],
  ]
  for (const [offset, value] of probe) model.write(offset, value)
  assert.equal(read(), 'expr 6 * 7')
})

test('clearing the FIFO with a full queue behind it loses nothing that is not in the FIFO', () => {
  const { uart: model } = uart()
  model.write(4, 2)
  model.write(2, 1)
  const all = new Uint8Array(UART_INPUT_BYTES_MAX + 16).fill(0x61)
  const taken = model.input(all) + model.input(all)
  model.write(2, 7)
  assert.ok(model.freeInput() >= 0)
  assert.ok(taken <= UART_INPUT_BYTES_MAX + 16)
})

test('what the guest itself sent in a loop is cleared for good', () => {
  const { uart: model, read } = uart()
  model.write(2, 1)
  model.write(4, 0x10)
  model.write(0, 0x41)
  model.write(2, 3)
  assert.equal(read(), '')
})
