// Asks the same of an edge with OpenAI's and Anthropic's own SDKs, whole and streamed. Prints texts and what the edge says of its cache.
import OpenAI from 'openai'
import Anthropic from '@anthropic-ai/sdk'

const { EDGE_URL, VIRTUAL_KEY } = process.env
const openai = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const anthropic = new Anthropic({ baseURL: EDGE_URL, apiKey: VIRTUAL_KEY, maxRetries: 0 })
const messages = [{ role: 'user', content: 'Name a bird.' }]
const others = [{ role: 'user', content: 'Name a fish.' }] // a kept answer serves in either shape
const found = {}
const said = (response, text) => ({ text, cache: response.headers.get('x-tollgate-cache'), cost: response.headers.get('x-tollgate-cost-usd') })

const chat = await openai.chat.completions.create({ model: 'kept', messages }).withResponse()
found.chat = said(chat.response, chat.data.choices[0].message.content)

const chunks = await openai.chat.completions.create({ model: 'kept', messages: others, stream: true }).withResponse()
let text = ''
for await (const chunk of chunks.data) text += chunk.choices[0]?.delta?.content ?? ''
found.chunks = said(chunks.response, text)

const answer = await openai.responses.create({ model: 'kept', input: 'Name a bird.', store: false }).withResponse()
found.answer = said(answer.response, answer.data.output_text)

const message = await anthropic.messages.create({ model: 'kept-claude', messages, max_tokens: 4000 }).withResponse()
found.message = said(message.response, message.data.content[0].text)

const events = await anthropic.messages.create({ model: 'kept-claude', messages: others, max_tokens: 4000, stream: true }).withResponse()
text = ''
for await (const event of events.data) if (event.type === 'content_block_delta') text += event.delta.text ?? ''
found.events = said(events.response, text)
console.log(JSON.stringify(found))
