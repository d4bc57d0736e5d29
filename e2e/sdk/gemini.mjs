// Calls each provider's models with Google's SDK, and Google's with the other SDKs, tools included. Prints what came back as JSON.
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { counts, forms, generate, once, textOf } from './loops.mjs'

const { EDGE_URL, VIRTUAL_KEY, MODEL, OTHER_MODEL, GEMINI_MODEL } = process.env
const google = new GoogleGenAI({ apiKey: VIRTUAL_KEY, httpOptions: { baseUrl: EDGE_URL } })
const openai = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const anthropic = new Anthropic({ baseURL: EDGE_URL, apiKey: VIRTUAL_KEY, maxRetries: 0 })
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
const words = 'What is the weather in Bern?'
const question = [{ role: 'user', content: words }]

async function everything(model) {
  const config = { maxOutputTokens: 64, systemInstruction: 'Be brief.' }
  const whole = await once(google, model, false, 'Say something.', config)
  const streamed = await once(google, model, true, 'Say something.', config)
  return {
    text: textOf(whole.parts), streamed: textOf(streamed.parts), chunks: streamed.chunks, used: counts(whole.last),
    same: whole.last.usageMetadata.candidatesTokenCount === streamed.last.usageMetadata.candidatesTokenCount, loop: await forms((stream) => generate(google, model, stream)),
  }
}

async function chat(stream) {
  const base = { model: GEMINI_MODEL, messages: question, tools: [{ type: 'function', function: { name: 'weather', parameters: schema } }], stream_options: stream ? { include_usage: true } : undefined }
  const ask = async (request) => stream ? openai.chat.completions.stream(request).finalChatCompletion() : openai.chat.completions.create(request)
  const first = (await ask({ ...base, tool_choice: 'required' })).choices[0]
  const call = first.message.tool_calls[0]
  const last = await ask({ ...base, messages: [...question, first.message, { role: 'tool', tool_call_id: call.id, content: 'Sunny.' }] })
  return { tool: call.function.name, city: typeof JSON.parse(call.function.arguments).city, text: last.choices[0].message.content, end: last.choices[0].finish_reason, used: last.usage.completion_tokens > 0 }
}

async function responses(stream) {
  const base = { model: GEMINI_MODEL, store: false, tools: [{ type: 'function', name: 'weather', parameters: schema, strict: false }] }
  const ask = async (request) => stream ? openai.responses.stream(request).finalResponse() : openai.responses.create(request)
  const first = await ask({ ...base, input: question, tool_choice: 'required' })
  const call = first.output.find((item) => item.type === 'function_call')
  const last = await ask({ ...base, input: [...question, ...first.output, { type: 'function_call_output', call_id: call.call_id, output: 'Sunny.' }] })
  return { tool: call.name, city: typeof JSON.parse(call.arguments).city, text: last.output.find((item) => item.type === 'message')?.content[0].text, end: last.status, used: last.usage.output_tokens > 0 }
}

async function messages(stream) {
  const base = { model: GEMINI_MODEL, max_tokens: 256, messages: question, tools: [{ name: 'weather', input_schema: schema }] }
  const ask = async (request) => stream ? anthropic.messages.stream(request).finalMessage() : anthropic.messages.create(request)
  const first = await ask({ ...base, tool_choice: { type: 'any' } })
  const call = first.content.find((block) => block.type === 'tool_use')
  const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'Sunny.' }] }
  const last = await ask({ ...base, messages: [...question, { role: 'assistant', content: first.content }, result] })
  return { tool: call.name, city: typeof call.input.city, text: last.content.find((block) => block.type === 'text')?.text, end: last.stop_reason, used: last.usage.output_tokens > 0 }
}

const found = { models: {}, list: [] }
for (const model of [GEMINI_MODEL, MODEL, OTHER_MODEL]) found.models[model] = await everything(model)
found.openai = await forms(chat)
found.responses = await forms(responses)
found.anthropic = await forms(messages)
for await (const model of await google.models.list()) found.list.push(model.name)
try {
  await google.models.generateContent({ model: 'nobody', contents: 'x' })
} catch (error) {
  found.refusal = { status: error.status, code: JSON.parse(error.message).error.details[0].reason }
}
console.log(JSON.stringify(found))
