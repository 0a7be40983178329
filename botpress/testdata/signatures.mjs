// Makes signatures.json with Node's crypto module: node signatures.mjs > signatures.json
// A signature is <unix milliseconds>,<hash>[,<hash>…]; a hash is the unpadded base64url of
// HMAC-SHA256 over <milliseconds>.<body>, keyed with the decoded secret.
import { createHmac } from 'node:crypto'

const now = 1_795_256_430_456
const secret = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64url')
const other = Buffer.from([...Array(32).keys()].map((i) => 255 - i)).toString('base64url')
const body = '{"type":"createUser","input":{"name":"Ägidius – 😀"}}'
const hash = (time = now, content = body, key = secret) =>
  createHmac('sha256', Buffer.from(key, 'base64url')).update(`${time}.${content}`).digest('base64url')
const header = (time = now, ...hashes) => [time, ...hashes].join(',')
const wrong = (n) => Array.from({ length: n }, (_, i) => hash(now, body + i))
const minutes = 60_000

const vectors = [
  { name: 'valid', want: 'ok' },
  { name: 'wrong secret', headers: [header(now, hash(now, body, other))], want: 'wrong' },
  { name: 'second of two secrets', secrets: [other, secret], want: 'ok' },
  { name: 'second of five hashes', headers: [header(now, wrong(1)[0], hash(), ...wrong(3))], want: 'ok' },
  { name: 'fifth of five hashes', headers: [header(now, ...wrong(4), hash())], want: 'ok' },
  { name: 'five wrong hashes', headers: [header(now, ...wrong(5))], want: 'wrong' },
  { name: 'six hashes', headers: [header(now, hash(), ...wrong(5))], want: 'malformed' },
  { name: 'no hash', headers: [String(now)], want: 'malformed' },
  { name: 'empty hash', headers: [`${now},`], want: 'malformed' },
  { name: 'empty header', headers: [''], want: 'malformed' },
  { name: 'no header', headers: [], want: 'missing' },
  { name: 'header twice', headers: [header(now, hash()), header(now, hash())], want: 'malformed' },
  { name: 'as old as it may be', headers: [header(now - 5 * minutes, hash(now - 5 * minutes))], want: 'ok' },
  { name: 'expired by 1 ms', headers: [header(now - 5 * minutes - 1, hash(now - 5 * minutes - 1))], want: 'expired' },
  { name: 'as new as it may be', headers: [header(now + 5 * minutes, hash(now + 5 * minutes))], want: 'ok' },
  { name: 'from the future by 1 ms', headers: [header(now + 5 * minutes + 1, hash(now + 5 * minutes + 1))], want: 'expired' },
  { name: 'seconds instead of milliseconds', headers: [header(1_795_256_430, hash(1_795_256_430))], want: 'expired' },
  { name: 'time of another hash', headers: [header(now + 1, hash())], want: 'wrong' },
  { name: 'not a number', headers: [header('soon', hash('soon'))], want: 'malformed' },
  { name: 'signed number', headers: [header(`+${now}`, hash(`+${now}`))], want: 'malformed' },
  { name: 'fraction', headers: [header(`${now}.5`, hash(`${now}.5`))], want: 'malformed' },
  { name: 'too many digits', headers: [header('9'.repeat(30), hash('9'.repeat(30)))], want: 'malformed' },
  { name: 'padding', headers: [header(now, hash() + '=')], want: 'malformed' },
  { name: 'a character too few', headers: [header(now, hash().slice(1))], want: 'malformed' },
  { name: 'standard alphabet', headers: [header(now, '+/' + hash().slice(2))], want: 'malformed' },
  { name: 'hexadecimal', headers: [header(now, Buffer.from(hash(), 'base64url').toString('hex'))], want: 'malformed' },
  { name: 'space after the comma', headers: [`${now}, ${hash()}`], want: 'malformed' },
  { name: 'empty body', body: '', headers: [header(now, hash(now, ''))], want: 'malformed' },
  { name: 'GET', method: 'GET', want: 'malformed' },
  { name: 'body changed by a byte', headers: [header(now, hash(now, body.replace('create', 'kreate')))], want: 'wrong' },
  { name: 'secret not decoded', headers: [header(now, createHmac('sha256', secret).update(`${now}.${body}`).digest('base64url'))], want: 'wrong' },
]

const defaults = { method: 'POST', secrets: [secret], headers: [header(now, hash())], body, now }
console.log(JSON.stringify(vectors.map((v) => ({ ...defaults, ...v })), null, 2))
