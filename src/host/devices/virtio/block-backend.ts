/** What a block device stands on. Sectors of 512 bytes; calls complete before they return. */
export interface BlockBackend {
  readonly sectors: number
  readonly readOnly: boolean
  /** At most 20 characters, shown as the disk's serial number. */
  readonly id: string
  /** Undefined where the medium fails. */
  read(sector: number, count: number): Uint8Array | undefined
  write(sector: number, bytes: Uint8Array): boolean
  flush(): boolean
}
