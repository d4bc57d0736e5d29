// Calls an edge with Anthropic's own SDK, as an agent would: base URL and key are all that it is given. Prints what came back as JSON.
import Anthropic from '@anthropic-ai/sdk'

const { EDGE_URL, VIRTUAL_KEY, MODEL, OTHER_MODEL } = process.env
const client = new Anthropic({ baseURL: EDGE_URL, apiKey: VIRTUAL_KEY, maxRetries: 0 })
const request = { model: MODEL, max_tokens: 64, messages: [{ role: 'user', content: 'Say something.' }] }
const found = {}

const message = await client.messages.create(request)
found.message = { text: message.content[0].text, input: message.usage.input_tokens, stop: message.stop_reason, output: message.usage.output_tokens }

const stream = client.messages.stream(request)
found.stream = { text: '', output: 0 }
stream.on('text', (text) => { found.stream.text += text })
const whole = await stream.finalMessage()
found.stream.input = whole.usage.input_tokens
found.stream.output = whole.usage.output_tokens
found.stream.stop = whole.stop_reason

found.count = (await client.messages.countTokens({ model: MODEL, messages: request.messages })).input_tokens
const here = await client.messages.countTokens({ model: OTHER_MODEL, messages: request.messages }).withResponse()
found.estimate = { count: here.data.input_tokens, said: here.response.headers.get('x-tollgate-token-count') }

try {
  await client.messages.create({ ...request, model: 'no-such-model' })
} catch (error) {
  found.refusal = { class: error.constructor.name, status: error.status, type: error.error?.error?.type, code: error.error?.error?.code }
}
console.log(JSON.stringify(found))
