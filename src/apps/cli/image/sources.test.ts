import assert from 'node:assert/strict'
import { test } from 'node:test'
import { debianSources, mirrorSource, parseDeb822Sources, parseSourcesList, writeSourcesList } from './sources.js'

test('one-line sources: options, comments, other types', () => {
  const parsed = parseSourcesList(`
# deb http://commented.example/debian bookworm main
deb http://archive.example/debian bookworm main contrib # a comment
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] mirror+file:/etc/apt/mirrors.list bookworm-updates main
deb-src http://archive.example/debian bookworm main
`)
  assert.deepEqual(parsed, [
    { uri: 'http://archive.example/debian', suite: 'bookworm', components: ['main', 'contrib'] },
    { uri: 'mirror+file:/etc/apt/mirrors.list', suite: 'bookworm-updates', components: ['main'], signedBy: '/usr/share/keyrings/x.gpg' },
  ])
})

test('deb822 sources: several URIs and suites, continuation, disabled stanzas, embedded keys', () => {
  const parsed = parseDeb822Sources(`Types: deb deb-src
# a comment
URIs: http://a.example/debian
  http://b.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://c.example/debian
Suites: trixie
Components: main
Enabled: no

Types: deb
URIs: http://d.example/debian-security
Suites: trixie-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
`)
  assert.equal(parsed.length, 5)
  assert.deepEqual(parsed[3]!.uri + ' ' + parsed[3]!.suite, 'http://b.example/debian trixie-updates')
  assert.deepEqual(parsed[4], { uri: 'http://d.example/debian-security', suite: 'trixie-security', components: ['main'] })
})

test("only the release's own Debian suites are taken, and only when the release itself is there", () => {
  const all = parseSourcesList(`
deb http://archive.example/debian bookworm main non-free
deb http://archive.example/debian bookworm-backports main
deb http://security.example/debian-security bookworm-security main
deb https://packages.example.com/apt bookworm main
`)
  const chosen = debianSources(all, 'bookworm')
  assert.deepEqual(
    chosen.map(({ suite }) => suite),
    ['bookworm', 'bookworm-security'],
  )
  assert.deepEqual(debianSources(all, 'trixie'), [])
})

test('every line of the private list names a keyring', () => {
  const sources = ['bookworm', 'bookworm-updates'].map((suite) => mirrorSource('http://archive.example/debian/', suite))
  const text = writeSourcesList(sources, '/k.gpg')
  assert.equal(text.split('\n').length, 3)
  for (const line of text.trim().split('\n'))
    assert.match(line, /^deb \[arch=amd64 signed-by=\/k\.gpg\] http:\/\/archive\.example\/debian bookworm\S* main$/)
})
