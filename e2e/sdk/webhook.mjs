// Verifies a message with the Standard Webhooks library: {secret, headers, body} on stdin, the payload on stdout.
import { Webhook } from 'standardwebhooks'
import { readFileSync } from 'node:fs'

const { secret, headers, body } = JSON.parse(readFileSync(0, 'utf8'))
const payload = new Webhook(secret).verify(body, headers)
let forged = 'accepted'
try {
  new Webhook(secret).verify(body + ' ', headers)
} catch {
  forged = 'refused'
}
console.log(JSON.stringify({ payload, forged }))
