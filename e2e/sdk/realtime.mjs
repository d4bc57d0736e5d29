// Speaks with a model over WebSocket with OpenAI's own SDK, as an agent would and as a browser would. Prints what came back as JSON. The SDK knows
// wss:// alone; the sockets below it are plain ones here.
import net from 'node:net'
import OpenAI from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import { WebSocket } from 'ws'

const { EDGE_URL, VIRTUAL_KEY } = process.env
const [MODEL, POOR_KEY] = process.env.MODEL.split(' ')
const { hostname, port } = new URL(EDGE_URL)
const open = (apiKey) => new OpenAIRealtimeWS({ model: MODEL, options: { createConnection: () => net.connect(port, hostname) } }, new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey }))
const next = (rt, type) => new Promise((resolve, reject) => {
  rt.once(type, resolve)
  rt.once('error', reject)
})
const found = { text: '', sound: 0, usage: [] }

const rt = open(VIRTUAL_KEY)
await next(rt, 'session.created')
const reply = async (ask) => {
  const done = next(rt, 'response.done')
  ask()
  const { response } = await done
  found.usage.push({ input: response.usage.input_tokens, output: response.usage.output_tokens, sound: response.usage.output_token_details.audio_tokens })
}
rt.on('response.output_text.delta', (event) => (found.text += event.delta))
rt.on('response.output_audio.delta', (event) => (found.sound += Buffer.from(event.delta, 'base64').length))
await reply(() => {
  rt.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Say something.' }] } })
  rt.send({ type: 'response.create' })
})
rt.send({ type: 'session.update', session: { type: 'realtime', model: MODEL, output_modalities: ['audio'], audio: { input: { turn_detection: { type: 'server_vad' } } } } })
await next(rt, 'session.updated')
await reply(() => rt.send({ type: 'input_audio_buffer.append', audio: Buffer.alloc(48000).toString('base64') }))
found.refusal = await new Promise((resolve) => {
  rt.once('error', (error) => resolve(error.error.code + ' ' + error.error.param))
  rt.send({ type: 'session.update', session: { type: 'realtime', audio: { input: { transcription: { model: 'whisper-1' } } } } })
})
rt.close()

const browser = new WebSocket(EDGE_URL.replace('http', 'ws') + '/v1/realtime?model=' + MODEL, ['realtime', 'openai-insecure-api-key.' + VIRTUAL_KEY])
found.browser = JSON.parse((await new Promise((resolve) => browser.once('message', resolve))).toString()).type
browser.close()

found.poor = await new Promise((resolve) => open(POOR_KEY).socket.once('unexpected-response', (_, response) => resolve(response.statusCode)))
console.log(JSON.stringify(found))
process.exit(0)
