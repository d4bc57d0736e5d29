// Has Anthropic and Google keep files, with their own SDKs. A second key is another workspace's. Prints what came back as JSON.
import Anthropic, { toFile } from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'

const { EDGE_URL, VIRTUAL_KEY, GEMINI_MODEL } = process.env
const [MODEL, OTHER_KEY, OTHER_EDGE] = process.env.MODEL.split(' ')
const TEXT = 'The gates of the city.'
const refusal = async (promise) => promise.then(() => 'none', (error) => error.status + ' ' + (error.error?.error?.code ?? JSON.parse(error.message).error.reason ?? JSON.parse(error.message).error.status))
const ids = async (list, key) => {
  const all = []
  for await (const one of await list) all.push(one[key])
  return all
}

async function claude() {
  const [client, elsewhere, stranger] = [[EDGE_URL, VIRTUAL_KEY], [OTHER_EDGE, VIRTUAL_KEY], [EDGE_URL, OTHER_KEY]].map(([baseURL, apiKey]) => new Anthropic({ baseURL, apiKey, maxRetries: 0 }))
  const file = await client.beta.files.upload({ file: await toFile(Buffer.from(TEXT), 'gates.txt', { type: 'text/plain' }), betas: ['files-api-2025-04-14'] })
  const second = await elsewhere.files.upload({ file: await toFile(Buffer.from('More.'), 'more.txt', { type: 'text/plain' }) })
  const read = (from, id) => from.beta.messages.create({
    model: MODEL, max_tokens: 16, betas: ['files-api-2025-04-14'],
    messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'file', file_id: id } }, { type: 'text', text: 'What does it say?' }] }],
  })
  const found = {
    name: file.filename, kind: file.mime_type, size: file.size_bytes, same: (await elsewhere.beta.files.retrieveMetadata(file.id)).id === file.id,
    content: await (await elsewhere.beta.files.download(file.id)).text(),
    listed: (await ids(client.files.list({ limit: 1 }), 'id')).join() === [second.id, file.id].join(), strangers: (await ids(stranger.beta.files.list(), 'id')).length,
    answer: (await read(elsewhere, file.id)).content[0].text !== '', counted: (await client.messages.countTokens({ model: MODEL, messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'file', file_id: file.id } }, { type: 'text', text: 'What does it say?' }] }] })).input_tokens > 0,
    refusals: {
      reads: await refusal(stranger.beta.files.retrieveMetadata(file.id)), content: await refusal(stranger.beta.files.download(file.id)), removes: await refusal(stranger.beta.files.delete(file.id)),
      asks: await refusal(read(stranger, file.id)), invented: await refusal(read(client, 'file_011CNha8iCJcU1wXNR6q4V8w')),
    },
  }
  found.removed = (await client.beta.files.delete(file.id)).id === file.id
  found.refusals.gone = (await client.beta.files.retrieveMetadata(file.id).then(() => '', (error) => error.status + ' ' + error.error.error.type))
  return found
}

async function google() {
  const [client, elsewhere, stranger] = [[EDGE_URL, VIRTUAL_KEY], [OTHER_EDGE, VIRTUAL_KEY], [EDGE_URL, OTHER_KEY]].map(([baseUrl, apiKey]) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl } }))
  const dated = new GoogleGenAI({ apiKey: VIRTUAL_KEY, httpOptions: { baseUrl: OTHER_EDGE, apiVersion: 'v1beta' } })
  const long = 'x'.repeat(9 << 20) // two pieces of the SDK's
  const file = await client.files.upload({ file: new Blob([TEXT], { type: 'text/plain' }), config: { displayName: 'gates "quoted"' } })
  const second = await elsewhere.files.upload({ file: new Blob([long], { type: 'text/plain' }) })
  const read = (from, uri) => from.models.generateContent({ model: GEMINI_MODEL, config: { maxOutputTokens: 32 }, contents: [{ role: 'user', parts: [{ fileData: { fileUri: uri, mimeType: 'text/plain' } }, { text: 'What does it say?' }] }] })
  const found = {
    name: file.displayName, kind: file.mimeType, size: +file.sizeBytes, uri: file.uri === EDGE_URL + '/v1beta/' + file.name, state: file.state, long: +second.sizeBytes === long.length,
    same: (await elsewhere.files.get({ name: file.name })).name === file.name && (await dated.files.get({ name: file.name })).name === file.name,
    listed: (await ids(client.files.list({ config: { pageSize: 1 } }), 'name')).join() === [second.name, file.name].join(), strangers: (await ids(stranger.files.list(), 'name')).length,
    answer: (await read(elsewhere, file.uri)).text !== '', counted: (await client.models.countTokens({ model: GEMINI_MODEL, contents: [{ fileData: { fileUri: file.uri, mimeType: 'text/plain' } }] })).totalTokens > 0,
    refusals: {
      reads: await refusal(stranger.files.get({ name: file.name })), removes: await refusal(stranger.files.delete({ name: file.name })), asks: await refusal(read(stranger, file.uri)),
      invented: await refusal(read(client, 'https://generativelanguage.googleapis.com/v1beta/files/abc123')),
      name: await refusal(client.files.upload({ file: new Blob([TEXT], { type: 'text/plain' }), config: { name: 'mine' } })),
    },
  }
  await client.files.delete({ name: file.name })
  found.refusals.gone = await client.files.get({ name: file.name }).then(() => '', (error) => String(error.status))
  found.refusals.unread = await read(client, file.uri).then(() => '', (error) => String(error.status))
  return found
}

console.log(JSON.stringify({ claude: await claude(), google: await google() }))
