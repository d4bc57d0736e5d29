// Strands Agents, over its models of OpenAI (Chat Completions and Responses) and Anthropic. It streams always; plain is what its agent returns at the end.
import { Agent, tool } from '@strands-agents/sdk'
import { AnthropicModel } from '@strands-agents/sdk/models/anthropic'
import { OpenAIModel } from '@strands-agents/sdk/models/openai'
import { z } from 'zod'
import { description, EDGE_URL, everything, gather, MODEL, OTHER_MODEL, question, VIRTUAL_KEY, words } from '../shared.mjs'

const openai = (api) => () => new OpenAIModel({ api, apiKey: VIRTUAL_KEY, clientConfig: { baseURL: EDGE_URL + '/v1' }, modelId: OTHER_MODEL, maxTokens: 1024 })
const anthropic = () => new AnthropicModel({ apiKey: VIRTUAL_KEY, clientConfig: { baseURL: EDGE_URL }, modelId: MODEL, maxTokens: 1024 })

async function * said(events) {
  for await (const event of events) {
    const inner = event.event ?? event
    if (inner.type === 'modelContentBlockDeltaEvent' && inner.delta.type === 'textDelta') yield inner.delta.text
  }
}

function ask(model) {
  const agent = (tools) => new Agent({ model: model(), tools, printer: false })
  return everything({
    plain: async () => String(await agent([]).invoke(words)).trim(),
    streamed: async () => said(agent([]).stream(words)),
    async loop(stream, { run }) {
      const one = agent([tool({ name: 'weather', description, inputSchema: z.object({ city: z.string() }), callback: run })])
      return stream ? (await gather(said(one.stream(question)))).text : String(await one.invoke(question)).trim()
    },
  })
}

console.log(JSON.stringify({ chat: await ask(openai('chat')), responses: await ask(openai('responses')), anthropic: await ask(anthropic) }))
