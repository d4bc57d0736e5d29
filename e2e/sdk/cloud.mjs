// Calls models of providers that have a format of their own with OpenAI's, Anthropic's and Google's SDKs: plain, streamed, with tools. Prints what came
// back as JSON.
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { chat, forms, generate, messages, responses } from './loops.mjs'

const { EDGE_URL, VIRTUAL_KEY, MODEL } = process.env
const openai = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const anthropic = new Anthropic({ baseURL: EDGE_URL, apiKey: VIRTUAL_KEY, maxRetries: 0 })
const google = new GoogleGenAI({ apiKey: VIRTUAL_KEY, httpOptions: { baseUrl: EDGE_URL } })
const found = {}

for (const model of MODEL.split(',')) {
  const request = { model, messages: [{ role: 'user', content: 'sim:cached=3 sim:reasoning=5 Say something about every one of these words.' }], max_tokens: 64 }
  const whole = await openai.chat.completions.create(request)
  const streamed = { text: '', chunks: 0, usage: {} }
  for await (const chunk of await openai.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
    streamed.chunks++
    streamed.text += chunk.choices[0]?.delta?.content ?? ''
    streamed.usage = chunk.usage ?? streamed.usage
  }
  found[model] = {
    text: whole.choices[0].message.content, streamed: streamed.text, chunks: streamed.chunks, cached: whole.usage.prompt_tokens_details?.cached_tokens,
    same: whole.usage.total_tokens > 0 && whole.usage.total_tokens === streamed.usage.total_tokens,
    openai: await forms((stream) => chat(openai, model, stream)),
    responses: await forms((stream) => responses(openai, model, stream)),
    google: await forms((stream) => generate(google, model, stream)),
    anthropic: await forms((stream) => messages(anthropic, model, stream)),
  }
}
console.log(JSON.stringify(found))
