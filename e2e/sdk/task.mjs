// Draws, speaks, hears and moderates through an edge with OpenAI's own SDK. Prints what came back as JSON.
import OpenAI, { toFile } from 'openai'

const { EDGE_URL, VIRTUAL_KEY } = process.env
const client = new OpenAI({ baseURL: EDGE_URL + '/v1', apiKey: VIRTUAL_KEY, maxRetries: 0 })
const found = {}

found.images = (await client.images.generate({ model: 'sim-images', prompt: 'a gate', n: 2 })).data.length
const image = await toFile(Buffer.from('png'), 'gate.png', { type: 'image/png' })
found.edited = (await client.images.edit({ model: 'gpt-image-2', prompt: 'a red gate', image })).data.length

const speech = await client.audio.speech.create({ model: 'sim-speech', voice: 'alloy', input: 'Say something.' })
found.spoken = (await speech.arrayBuffer()).byteLength

const file = await toFile(Buffer.alloc(9000), 'truck.mp3')
found.heard = (await client.audio.transcriptions.create({ model: 'sim-ear', file })).text
found.flagged = (await client.moderations.create({ model: 'sim-moderation', input: 'Say something.' })).results[0].flagged

try {
  await client.images.generate({ model: 'sim-images', prompt: 'a gate', n: 99 })
} catch (error) {
  found.refusal = error.code
}
console.log(JSON.stringify(found))
