// LangGraph.js: its agent graph over LangChain's models of OpenAI (Chat Completions and Responses) and Anthropic.
import { ChatAnthropic } from '@langchain/anthropic'
import { tool } from '@langchain/core/tools'
import { createReactAgent } from '@langchain/langgraph/prebuilt'
import { ChatOpenAI } from '@langchain/openai'
import { z } from 'zod'
import { description, EDGE_URL, everything, gather, MODEL, OTHER_MODEL, question, VIRTUAL_KEY, words } from '../shared.mjs'

const openai = (settings) => new ChatOpenAI({ model: OTHER_MODEL, apiKey: VIRTUAL_KEY, configuration: { baseURL: EDGE_URL + '/v1' }, maxRetries: 0, maxTokens: 64, ...settings })
const anthropic = () => new ChatAnthropic({ model: MODEL, apiKey: VIRTUAL_KEY, anthropicApiUrl: EDGE_URL, maxRetries: 0, maxTokens: 64 })

async function * said(stream) {
  for await (const [message] of stream) if (message.getType() === 'ai') yield message.text
}

const ask = (llm) => everything({
  plain: async () => (await createReactAgent({ llm, tools: [] }).invoke({ messages: [{ role: 'user', content: words }] })).messages.at(-1).text,
  streamed: async () => said(await createReactAgent({ llm, tools: [] }).stream({ messages: [{ role: 'user', content: words }] }, { streamMode: 'messages' })),
  async loop(stream, { run }) {
    const agent = createReactAgent({ llm, tools: [tool(run, { name: 'weather', description, schema: z.object({ city: z.string() }) })] })
    const input = { messages: [{ role: 'user', content: question }] }
    return stream ? (await gather(said(await agent.stream(input, { streamMode: 'messages' })))).text : (await agent.invoke(input)).messages.at(-1).text
  },
})

console.log(JSON.stringify({ chat: await ask(openai()), responses: await ask(openai({ useResponsesApi: true })), anthropic: await ask(anthropic()) }))
