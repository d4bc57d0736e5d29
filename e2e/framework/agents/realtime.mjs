// Speaks with a model over WebSocket with OpenAI's Agents SDK as it is by default: spoken replies, and what is said written down. Prints what came
// back as JSON.
import { OpenAIRealtimeWebSocket, RealtimeAgent, RealtimeSession } from '@openai/agents/realtime'

const { EDGE_URL, VIRTUAL_KEY, MODEL } = process.env
const found = { sound: 0, transcript: '', errors: [] }
const agent = new RealtimeAgent({ name: 'assistant', instructions: 'Be brief.' })
const session = new RealtimeSession(agent, { model: MODEL, transport: new OpenAIRealtimeWebSocket(), tracingDisabled: true })
session.on('error', ({ error }) => found.errors.push(JSON.stringify(error?.error ?? String(error))))
session.on('audio', ({ data }) => (found.sound += data.byteLength))
const next = (type) => new Promise((resolve) => {
  const listen = (event) => event.type === type && (session.off('transport_event', listen), resolve(event))
  session.on('transport_event', listen)
})

await session.connect({ apiKey: VIRTUAL_KEY, url: EDGE_URL.replace('http', 'ws') + '/v1/realtime?model=' + MODEL })
let done = next('response.done')
session.sendMessage('Say something.')
await done
const heard = next('conversation.item.retrieved')
done = next('response.done')
session.sendAudio(new Uint8Array(48000).buffer)
found.transcript = (await heard).item.content[0].transcript
found.usage = (await done).response.usage
session.close()
console.log(JSON.stringify(found))
process.exit(0)
