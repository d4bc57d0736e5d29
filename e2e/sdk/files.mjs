// Has the provider keep files and work through batches, with OpenAI's own SDK. A second key is another workspace's. Prints what came back as JSON.
import OpenAI, { toFile } from 'openai'

const { EDGE_URL, VIRTUAL_KEY } = process.env
const [MODEL, OTHER_KEY, OTHER_EDGE] = process.env.MODEL.split(' ')
const client = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const elsewhere = new OpenAI({ baseURL: OTHER_EDGE + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const stranger = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: OTHER_KEY, maxRetries: 0 })
const refusal = async (promise) => promise.then(() => 'none', (error) => error.status + ' ' + error.code)
const line = (id, body) => JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/chat/completions', body })
const say = (text) => ({ model: MODEL, max_tokens: 16, messages: [{ role: 'user', content: text }] })
const found = {}

const file = await client.files.create({ file: await toFile(Buffer.from([line('a', say('Say something.')), line('b', say('Say more.'))].join('\n')), 'lines.jsonl'), purpose: 'batch' })
found.name = file.filename
found.same = (await elsewhere.files.retrieve(file.id)).id === file.id
const listed = async (from) => {
  const ids = []
  for await (const one of from.files.list()) ids.push(one.id)
  return ids
}
found.listed = (await listed(elsewhere)).join() === file.id
found.strangers = (await listed(stranger)).length

const batch = await client.batches.create({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h', metadata: { team: 'blue' } })
found.metadata = batch.metadata
let ended
for (let n = 0; n < 10 && ended?.status !== 'completed'; n++) ended = await elsewhere.batches.retrieve(batch.id)
found.counts = ended.request_counts
found.results = (await (await client.files.content(ended.output_file_id)).text()).trim().split('\n').map((each) => JSON.parse(each).response.body.choices[0].message.content !== '')
found.batches = (await client.batches.list()).data.map((one) => one.id === batch.id)
found.refusals = {
  file: await refusal(stranger.files.retrieve(file.id)),
  content: await refusal(stranger.files.content(file.id)),
  begins: await refusal(stranger.batches.create({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' })),
  batch: await refusal(stranger.batches.retrieve(batch.id)),
  cancels: await refusal(stranger.batches.cancel(batch.id)),
  line: await refusal(client.files.create({ file: await toFile(Buffer.from(line('a', { ...say('x'), model: 'none' })), 'x.jsonl'), purpose: 'batch' })),
}
await client.files.delete(file.id)
found.refusals.gone = await refusal(client.files.retrieve(file.id))
console.log(JSON.stringify(found))
