// Has a provider answer in the background, with OpenAI's own SDK: read until it is done, cancelled, streamed and resumed, and left alone. A second
// key is another workspace's. Prints what came back as JSON.
import OpenAI from 'openai'

const { EDGE_URL, VIRTUAL_KEY } = process.env
const [MODEL, OTHER_KEY, OTHER_EDGE] = process.env.MODEL.split(' ')
const client = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const elsewhere = new OpenAI({ baseURL: OTHER_EDGE + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const stranger = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: OTHER_KEY, maxRetries: 0 })
const refusal = async (promise) => promise.then(() => 'none', (error) => error.status + ' ' + error.code)
const begin = (input, rest) => client.responses.create({ model: MODEL, input, max_output_tokens: 64, background: true, ...rest })
const found = {}

const first = await begin('Say something.')
found.first = first.status
let read = first
for (let n = 0; n < 10 && ['queued', 'in_progress'].includes(read.status); n++) read = await elsewhere.responses.retrieve(first.id)
found.read = [read.status, read.id === first.id, read.output_text !== '', read.usage.output_tokens > 0]
found.goesOn = (await client.responses.create({ model: MODEL, input: 'And then?', previous_response_id: first.id, max_output_tokens: 64 })).status

const second = await begin('Say something else.')
found.early = await refusal(client.responses.delete(second.id))
found.cancelled = (await elsewhere.responses.cancel(second.id)).status
await client.responses.delete(second.id)
found.gone = await refusal(client.responses.retrieve(second.id))

let id, last
for await (const event of await begin('Say a third thing.', { stream: true })) {
  if (event.type === 'response.created') id = event.response.id
  if ((last = event.sequence_number) === 4) break
}
found.resumed = []
for await (const event of await elsewhere.responses.retrieve(id, { stream: true, starting_after: last })) {
  if (event.sequence_number <= last) found.resumed.push('again')
  if (event.type === 'response.completed') found.resumed.push(event.response.id === id, event.response.output_text !== '')
}
found.refusals = {
  reads: await refusal(stranger.responses.retrieve(first.id)),
  resumes: await refusal(stranger.responses.retrieve(id, { stream: true })),
  cancels: await refusal(stranger.responses.cancel(id)),
  removes: await refusal(stranger.responses.delete(id)),
}
await begin('Nobody asks for this again.')
for await (const event of await begin('Nor for this.', { stream: true })) if (event.sequence_number === 3) break
console.log(JSON.stringify(found))
