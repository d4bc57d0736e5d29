// Has batches of messages worked through, with Anthropic's own SDK. A second key is another workspace's. Prints what came back as JSON.
import Anthropic from '@anthropic-ai/sdk'

const { EDGE_URL, VIRTUAL_KEY } = process.env
const [MODEL, OTHER_KEY, OTHER_EDGE, DEEPER] = process.env.MODEL.split(' ')
const client = new Anthropic({ baseURL: EDGE_URL, apiKey: VIRTUAL_KEY, maxRetries: 0 })
const elsewhere = new Anthropic({ baseURL: OTHER_EDGE, apiKey: VIRTUAL_KEY, maxRetries: 0 })
const stranger = new Anthropic({ baseURL: EDGE_URL, apiKey: OTHER_KEY, maxRetries: 0 })
const refusal = async (promise) => promise.then(() => 'none', (error) => error.status + ' ' + error.error?.error?.code + (error.error?.error?.param ? ' ' + error.error.error.param : ''))
const say = (id, content, model = MODEL) => ({ custom_id: id, params: { model, max_tokens: 16, messages: [{ role: 'user', content }] } })
const found = {}

const batch = await client.messages.batches.create({ requests: [say('a', 'Say something.'), say('b', 'Say more.', DEEPER), say('c-expired', 'Too late.')] })
found.begun = batch.processing_status
let ended
for (let n = 0; n < 10 && ended?.processing_status !== 'ended'; n++) ended = await elsewhere.messages.batches.retrieve(batch.id)
found.same = ended.id === batch.id
found.counts = ended.request_counts
found.results = []
for await (const one of await elsewhere.messages.batches.results(batch.id)) found.results.push(one.custom_id + ' ' + one.result.type + ' ' + (one.result.message?.content[0].text !== ''))

const second = await elsewhere.messages.batches.create({ requests: [say('x', 'Say something.'), say('y', 'Say more.')] })
found.early = await refusal(client.messages.batches.delete(second.id))
found.cancelled = (await client.messages.batches.cancel(second.id)).request_counts

const listed = async (from) => {
  const ids = []
  for await (const one of from.messages.batches.list({ limit: 1 })) ids.push(one.id === batch.id ? 'first' : one.id === second.id ? 'second' : 'foreign')
  return ids
}
for (let n = 0; n < 60 && (await listed(elsewhere)).length < 2; n++) await new Promise((done) => setTimeout(done, 500)) // the control plane hears of them a moment later
found.listed = await listed(client)
found.strangers = await listed(stranger)
found.refusals = {
  reads: await refusal(stranger.messages.batches.retrieve(batch.id)),
  results: await refusal(stranger.get('/v1/messages/batches/' + batch.id + '/results')),
  cancels: await refusal(stranger.messages.batches.cancel(batch.id)),
  removes: await refusal(stranger.messages.batches.delete(batch.id)),
  lists: await refusal(stranger.messages.batches.list({ after_id: batch.id })),
  model: await refusal(client.messages.batches.create({ requests: [say('a', 'x'), say('b', 'x', 'none')] })),
}
await client.messages.batches.delete(batch.id)
found.refusals.gone = await refusal(client.messages.batches.retrieve(batch.id))
await client.messages.batches.create({ requests: [say('n', 'Nobody asks for this again.')] })
console.log(JSON.stringify(found))
