// Does its usual work with the public client of Zendesk. Reads {url, username, token, oauth} from standard input; prints what it
// has got as JSON.
import { writeFileSync, mkdtempSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const { createClient } = createRequire(import.meta.url)('node-zendesk')

const { url, username, token, oauth } = JSON.parse(await text(process.stdin))
const zendesk = createClient({ username, token, oauth, endpointUri: url + '/api/v2' })
const refusalOf = async (promise) => promise.then(() => 'none', (thrown) => thrown.message)

const out = {}
out.me = (await zendesk.users.me()).result.role

const jane = (await zendesk.users.create({ user: { name: 'Jane', email: 'jane@example.com', external_id: 4711 } })).result
out.created = [jane.name, jane.external_id, jane.photo, jane.tags]
out.duplicate = await refusalOf(zendesk.users.create({ user: { name: 'Other', email: 'jane@example.com' } }))
out.updated = (await zendesk.users.createOrUpdate({ user: { name: 'Jane Miller', external_id: '4711' } })).result.id === jane.id
await zendesk.useridentities.create(jane.id, { identity: { type: 'email', value: 'jane@home.example.com', skip_verify_email: true } })
out.identities = (await zendesk.useridentities.list(jane.id)).map((i) => [i.value, i.primary])
out.shown = (await zendesk.users.show(jane.id)).result.name
out.suspended = (await zendesk.users.suspend(jane.id)).result.suspended
await zendesk.users.unsuspend(jane.id)
out.users = (await zendesk.users.list()).map((u) => u.name)
out.found = (await zendesk.users.search({ query: 'jane@home.example.com' })).map((u) => u.name)

const folder = mkdtempSync(join(tmpdir(), 'conformance-'))
writeFileSync(join(folder, 'slip.png'), 'picture')
const { upload } = await zendesk.attachments.upload(join(folder, 'slip.png'), { filename: 'slip.png' })
out.upload = [upload.attachment.file_name, upload.attachment.content_type, upload.attachment.malware_scan_result]

const ticket = (
  await zendesk.tickets.create({
    ticket: { subject: 'Lost parcel', requester_id: jane.id, tags: ['botpress'], comment: { body: 'It is lost', uploads: [upload.token] } },
  })
).result
out.ticket = [ticket.subject, ticket.status, ticket.requester_id === jane.id, ticket.tags, ticket.assignee_id]
out.reopened = (await zendesk.tickets.update(ticket.id, { ticket: { status: 'pending', comment: { html_body: '<p>Which one?</p>' } } })).result.status
out.refused = await refusalOf(zendesk.tickets.update(ticket.id, { ticket: { status: 'solved' } }))
out.comments = (await zendesk.tickets.getComments(ticket.id)).map((c) => [c.plain_body, c.html_body, c.public, c.attachments.length])
for (let i = 0; i < 120; i++) await zendesk.tickets.create({ ticket: { description: 'x', requester_id: jane.id } })
out.tickets = (await zendesk.tickets.list()).length // Two pages.
out.filtered = (await zendesk.tickets.listByUserRequested(jane.id)).length
out.search = (await zendesk.search.queryAll('type:ticket tags:botpress')).map((t) => [t.result_type, t.subject])
out.count = (await zendesk.search.showResultsCount('type:ticket')).result.count

const webhook = (
  await zendesk.webhooks.create({
    webhook: {
      name: 'Ours',
      endpoint: 'https://example.com/hook',
      http_method: 'POST',
      request_format: 'json',
      status: 'active',
      subscriptions: ['conditional_ticket_events'],
    },
  })
).result
out.webhook = [(await zendesk.webhooks.show(webhook.id)).result.name, webhook.id.startsWith('01')]
const trigger = (
  await zendesk.triggers.create({
    trigger: {
      title: 'Ours',
      all: [{ field: 'status', operator: 'value', value: 'SOLVED' }],
      actions: [{ field: 'notification_webhook', value: [webhook.id, '{}'] }],
    },
  })
).result
out.trigger = [trigger.raw_title, trigger.conditions.any, (await zendesk.triggers.show(trigger.id)).result.active]
out.retitled = (await zendesk.triggers.update(trigger.id, { trigger: { title: 'Still ours' } })).result.title
out.triggers = (await zendesk.triggers.list()).map((t) => t.title).slice(-1)
await zendesk.triggers.delete(trigger.id)
await zendesk.webhooks.delete(webhook.id)
await zendesk.tickets.delete(ticket.id)
out.gone = await refusalOf(zendesk.tickets.show(ticket.id))
console.log(JSON.stringify(out))
