// OpenAI's Agents SDK, over Responses and over Chat Completions.
import { Agent, OpenAIProvider, Runner, tool } from '@openai/agents'
import { z } from 'zod'
import { description, EDGE_URL, everything, gather, OTHER_MODEL, question, VIRTUAL_KEY, words } from '../shared.mjs'

function ask(useResponses) {
  const runner = new Runner({ modelProvider: new OpenAIProvider({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, useResponses }), tracingDisabled: true })
  const agent = (tools) => new Agent({ name: 'assistant', model: OTHER_MODEL, modelSettings: { maxTokens: 64 }, tools })
  return everything({
    plain: async () => (await runner.run(agent([]), words)).finalOutput,
    streamed: async () => (await runner.run(agent([]), words, { stream: true })).toTextStream(),
    async loop(stream, { run }) {
      const one = agent([tool({ name: 'weather', description, parameters: z.object({ city: z.string() }), execute: run })])
      return stream ? (await gather((await runner.run(one, question, { stream: true })).toTextStream())).text : (await runner.run(one, question)).finalOutput
    },
  })
}

console.log(JSON.stringify({ responses: await ask(true), chat: await ask(false) }))
