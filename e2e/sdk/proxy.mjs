// Calls a provider as it is, through an edge, with OpenAI's own SDK. Prints what came back as JSON.
import OpenAI from 'openai'

const { EDGE_URL, VIRTUAL_KEY, MODEL } = process.env
const [model, provider] = MODEL.split(' ')
const client = new OpenAI({ baseURL: `${EDGE_URL}/proxy/${provider}/v1`, apiKey: VIRTUAL_KEY, maxRetries: 0 })
const messages = [{ role: 'user', content: 'Say something.' }]
const found = {}

const chat = await client.chat.completions.create({ model, messages, max_tokens: 64 })
found.chat = { text: chat.choices[0].message.content, output: chat.usage.completion_tokens }

found.stream = { text: '', output: 0 }
for await (const chunk of await client.chat.completions.create({ model, messages, max_tokens: 64, stream: true, stream_options: { include_usage: true } })) {
  found.stream.text += chunk.choices[0]?.delta?.content ?? ''
  if (chunk.usage) found.stream.output = chunk.usage.completion_tokens
}

found.models = (await client.models.list()).data.map((each) => each.id)
console.log(JSON.stringify(found))
