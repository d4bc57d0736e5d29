// Calls a model with Responses whose provider has Chat Completions alone: text, a stream and a tool, whose result goes back. Prints what came back as JSON.
import OpenAI from 'openai'

const { EDGE_URL, VIRTUAL_KEY, MODEL } = process.env
const client = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const question = [{ role: 'user', content: 'What is the weather in Bern?' }]
const tool = { type: 'function', name: 'weather', description: 'Tells the weather.', strict: false, parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } }
const base = { model: MODEL, max_output_tokens: 256, store: false }

const told = (response) => ({ text: response.output_text, status: response.status, input: response.usage.input_tokens, output: response.usage.output_tokens })

async function loop(ask) {
  const first = await ask({ ...base, input: question, tools: [tool], tool_choice: 'required' })
  const call = first.output.find((item) => item.type === 'function_call')
  const last = await ask({ ...base, tools: [tool], input: [...question, ...first.output, { type: 'function_call_output', call_id: call.call_id, output: 'Sunny.' }] })
  return { tool: call.name, city: typeof JSON.parse(call.arguments).city, status: first.status, text: last.output.find((item) => item.type === 'message').content[0].text }
}

const found = { whole: told(await client.responses.create({ ...base, instructions: 'Be short.', input: 'Say something.' })) }
const stream = await client.responses.create({ ...base, instructions: 'Be short.', input: 'Say something.', stream: true })
let text = ''
for await (const event of stream) {
  if (event.type === 'response.output_text.delta') text += event.delta
  if (event.type === 'response.completed') found.streamed = { ...told(event.response), text }
}
found.loop = await loop((request) => client.responses.create(request))
found.loopStreamed = await loop((request) => client.responses.stream(request).finalResponse())
console.log(JSON.stringify(found))
