// Speaks with a model over WebSocket with OpenAI's Agents SDK as it is in a browser: with a client secret that a server has had made, among the protocols.
// Node takes the SDK's browser half with --conditions=browser. Prints what came back as JSON.
import WebSocket from '../node_modules/ws/wrapper.mjs' // its name leads to nothing in a browser
import OpenAI from 'openai'

globalThis.WebSocket = WebSocket
const { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } = await import('@openai/agents/realtime')
const { EDGE_URL, OTHER_EDGE, VIRTUAL_KEY, MODEL } = process.env
const server = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0, dangerouslyAllowBrowser: true })
const secret = await server.realtime.clientSecrets.create({ expires_after: { anchor: 'created_at', seconds: 60 }, session: { type: 'realtime', model: MODEL } })
const found = { prefix: secret.value.slice(0, 3), lasts: secret.expires_at - Date.now() / 1000, model: secret.session.model, sound: 0, errors: [] }
const session = new RealtimeSession(new RealtimeAgent({ name: 'assistant', instructions: 'Be brief.' }), { model: MODEL, transport: new OpenAIRealtimeWebSocket(), tracingDisabled: true, config: { audio: { input: { transcription: null } } } })
session.on('error', ({ error }) => found.errors.push(JSON.stringify(error?.error ?? String(error))))
session.on('audio', ({ data }) => (found.sound += data.byteLength))
const done = new Promise((resolve) => session.on('transport_event', (event) => event.type === 'response.done' && resolve(event)))
await session.connect({ apiKey: secret.value, url: OTHER_EDGE.replace('http', 'ws') + '/v1/realtime?model=' + MODEL })
session.sendMessage('Say something.')
await done
session.close()
found.elsewhere = await new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: secret.value, maxRetries: 0, dangerouslyAllowBrowser: true }).chat.completions.create({ model: MODEL, messages: [] }).then(() => 'let through', (error) => error.status + ' ' + error.code)
console.log(JSON.stringify(found))
process.exit(0)
