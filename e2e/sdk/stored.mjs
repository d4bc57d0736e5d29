// Goes on from an answer that the provider keeps, and reads and removes it, with OpenAI's own SDK. A second key is another workspace's. Prints
// what came back as JSON.
import OpenAI from 'openai'

const { EDGE_URL, VIRTUAL_KEY } = process.env
const [MODEL, OTHER_KEY, OTHER_EDGE] = process.env.MODEL.split(' ')
const client = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const elsewhere = new OpenAI({ baseURL: OTHER_EDGE + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const stranger = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: OTHER_KEY, maxRetries: 0 })
const refusal = async (promise) => promise.then(() => 'none', (error) => error.status + ' ' + error.code)
const found = {}

const first = await client.responses.create({ model: MODEL, input: 'Say something.', max_output_tokens: 64 })
const again = await elsewhere.responses.retrieve(first.id)
found.same = again.id === first.id && again.output_text === first.output_text
found.items = []
for await (const item of client.responses.inputItems.list(first.id)) found.items.push(item.content[0].text)

let streamed
for await (const event of await elsewhere.responses.create({ model: MODEL, input: 'And then?', previous_response_id: first.id, max_output_tokens: 64, stream: true })) {
  if (event.type === 'response.created') found.created = event.response.id
  if (event.type === 'response.completed') streamed = event.response
}
found.streamed = streamed.id === found.created && streamed.previous_response_id === first.id && (await client.responses.retrieve(streamed.id)).output_text !== ''
found.longer = streamed.usage.input_tokens > first.usage.input_tokens

const unkept = await client.responses.create({ model: MODEL, input: 'Say something.', max_output_tokens: 64, store: false })
found.refusals = {
  unkept: await refusal(client.responses.retrieve(unkept.id)),
  stranger: await refusal(stranger.responses.retrieve(first.id)),
  goesOn: await refusal(stranger.responses.create({ model: MODEL, input: 'And then?', previous_response_id: first.id })),
  removes: await refusal(stranger.responses.delete(first.id)),
  tampered: await refusal(client.responses.retrieve(first.id.slice(0, -3) + 'AAA')),
  cancels: await refusal(client.responses.cancel(first.id)),
}
await client.responses.delete(first.id)
found.refusals.gone = await refusal(client.responses.retrieve(first.id))
console.log(JSON.stringify(found))
