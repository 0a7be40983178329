// Serves the real tunnel server, and in front of it what Botpress' cloud has: an HTTP server that turns each request for
// /<tunnel id>/... into a frame, and the frame that answers it into the response.
//
//	node server.mjs PORT
import * as http from 'node:http'
import tunnel from '@bpinternal/tunnel'

const port = Number(process.argv[2])
let last = 0

const server = http.createServer(async (req, res) => {
  const body = []
  for await (const chunk of req) body.push(chunk)
  const url = new URL(req.url, 'http://tunnel')
  const [, id, ...rest] = url.pathname.split('/')
  const head = tunnels.getTunnel(id)
  if (!head) {
    res.writeHead(502).end('no tunnel ' + id)
    return
  }
  const request = {
    id: String(++last), method: req.method, path: '/' + rest.join('/'), query: url.search.slice(1), headers: req.headers,
    body: Buffer.concat(body).toString('utf8'),
  }
  const gone = () => { if (!res.writableEnded) res.writeHead(502).end('the tunnel broke') }
  head.events.onceOrMore('response', (response) => {
    if (response.requestId !== request.id) return 'keep-listening'
    res.writeHead(response.status, response.headers).end(response.body ?? '')
    return 'stop-listening'
  })
  head.events.once('close', gone)
  try {
    head.send(request)
  } catch {
    gone()
  }
})

const tunnels = await tunnel.TunnelServer.new({ server })
tunnels.events.on('error', (err) => { console.error(err); process.exit(1) })
server.listen(port, '127.0.0.1', () => console.log('listening'))
