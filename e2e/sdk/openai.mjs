// Calls an edge with OpenAI's own SDK, as an agent would: base URL and key are all that it is given. Prints what came back as JSON.
import OpenAI from 'openai'

const { EDGE_URL, VIRTUAL_KEY, MODEL, EMBEDDING_MODEL } = process.env
const client = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const messages = [{ role: 'user', content: 'Say something.' }]
const found = {}

const chat = await client.chat.completions.create({ model: MODEL, messages, max_tokens: 64 })
found.chat = { text: chat.choices[0].message.content, finish: chat.choices[0].finish_reason, output: chat.usage.completion_tokens }

const stream = await client.chat.completions.create({ model: MODEL, messages, max_tokens: 64, stream: true, stream_options: { include_usage: true } })
found.stream = { text: '', chunks: 0, output: 0 }
for await (const chunk of stream) {
  found.stream.chunks++
  found.stream.text += chunk.choices[0]?.delta?.content ?? ''
  if (chunk.usage) found.stream.output = chunk.usage.completion_tokens
}

const response = await client.responses.create({ model: MODEL, input: 'Say something.', max_output_tokens: 64 })
found.response = { text: response.output_text, status: response.status, output: response.usage.output_tokens }

const responding = await client.responses.create({ model: MODEL, input: 'Say something.', max_output_tokens: 64, stream: true })
found.responding = { text: '', output: 0 }
for await (const event of responding) {
  if (event.type === 'response.output_text.delta') found.responding.text += event.delta
  if (event.type === 'response.completed') found.responding.output = event.response.usage.output_tokens
}

const embedding = await client.embeddings.create({ model: EMBEDDING_MODEL, input: 'Say something.' })
found.embedding = { length: embedding.data[0].embedding.length, input: embedding.usage.prompt_tokens }

found.models = (await client.models.list()).data.map((model) => model.id)

try {
  await client.chat.completions.create({ model: 'no-such-model', messages })
} catch (error) {
  found.refusal = { class: error.constructor.name, status: error.status, code: error.code }
}
console.log(JSON.stringify(found))
