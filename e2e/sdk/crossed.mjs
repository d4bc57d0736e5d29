// Calls models of one provider with the other one's SDK, tools included. Prints what came back as JSON.
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { chat, forms, messages, question, responses } from './loops.mjs'

const { EDGE_URL, VIRTUAL_KEY, MODEL, OTHER_MODEL } = process.env
const openai = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const anthropic = new Anthropic({ baseURL: EDGE_URL, apiKey: VIRTUAL_KEY, maxRetries: 0 })
const found = {
  openai: await forms((stream) => chat(openai, MODEL, stream)),
  responses: await forms((stream) => responses(openai, MODEL, stream)),
  anthropic: await forms((stream) => messages(anthropic, OTHER_MODEL, stream)),
}
try {
  await openai.chat.completions.create({ model: MODEL, messages: question, seed: 7 })
} catch (error) {
  found.refusal = { status: error.status, code: error.code, param: error.param }
}
console.log(JSON.stringify(found))
