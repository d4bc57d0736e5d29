// Vercel's AI SDK, with its providers for OpenAI (Responses and Chat Completions), Anthropic and Google.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { generateText, stepCountIs, streamText, tool } from 'ai'
import { z } from 'zod'
import { description, EDGE_URL, everything, gather, GEMINI_MODEL, MODEL, OTHER_MODEL, question, VIRTUAL_KEY, words } from '../shared.mjs'

const openai = createOpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY })
const anthropic = createAnthropic({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY })
const google = createGoogleGenerativeAI({ baseURL: EDGE_URL + '/v1beta', apiKey: VIRTUAL_KEY })
const settings = { maxRetries: 0, maxOutputTokens: 64 }

const ask = (model) => everything({
  plain: async () => (await generateText({ model, prompt: words, ...settings })).text,
  streamed: () => streamText({ model, prompt: words, ...settings, onError: ({ error }) => { throw error } }).textStream,
  async loop(stream, { run }) {
    const request = { model, prompt: question, maxRetries: 0, stopWhen: stepCountIs(3), tools: { weather: tool({ description, inputSchema: z.object({ city: z.string() }), execute: run }) } }
    return stream ? (await gather(streamText(request).textStream)).text : (await generateText(request)).text
  },
})

console.log(JSON.stringify({ responses: await ask(openai(OTHER_MODEL)), chat: await ask(openai.chat(OTHER_MODEL)), anthropic: await ask(anthropic(MODEL)), google: await ask(google(GEMINI_MODEL)) }))
