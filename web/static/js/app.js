// What the console does in the browser beyond links and forms. Every page works without it.
import { localizeTimes } from './time.js'
import { attachCharts } from './chart.js'
import { attachPalette } from './palette.js'

const ready = (root) => {
  localizeTimes(root)
  attachCharts(root)
  // A page that shows a secret once must not be sent again by a reload.
  const once = document.querySelector('[data-once]')
  if (once) history.replaceState(null, '', once.dataset.once)
}
ready(document)
attachPalette()
document.addEventListener('htmx:afterSwap', (event) => ready(event.detail.target ?? document))
document.addEventListener('htmx:sseMessage', (event) => ready(event.target))
setInterval(() => localizeTimes(document), 15_000)

// One dialog serves every confirmation: htmx puts the question into it, then it opens.
const dialog = document.getElementById('dialog')
document.addEventListener('htmx:afterSwap', (event) => {
  if (event.detail.target === dialog && !dialog.open) dialog.showModal()
})

document.addEventListener('click', (event) => {
  const copy = event.target.closest('[data-copy]')
  if (copy) copyText(copy)
  const close = event.target.closest('[data-close]')
  if (close && close.closest('dialog')) {
    event.preventDefault()
    close.closest('dialog').close()
  }
  if (event.target === dialog) dialog.close()
  for (const menu of document.querySelectorAll('details.menu[open]')) if (!menu.contains(event.target)) menu.open = false
})

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    menu.open = false
    menu.querySelector('summary').focus()
  }
})

async function copyText(button) {
  const source = document.getElementById(button.dataset.copy)
  const label = button.querySelector('[data-label]')
  try {
    await navigator.clipboard.writeText(source.textContent)
    label.textContent = 'Copied'
  } catch {
    getSelection().selectAllChildren(source)
    label.textContent = 'Press Ctrl+C'
  }
  setTimeout(() => { label.textContent = 'Copy' }, 2000)
}

// The theme changes at once; the form tells the server, which draws the next page in it.
document.addEventListener('submit', (event) => {
  const form = event.target.closest('form[data-theme-form]')
  const choice = event.submitter
  if (!form || !choice) return
  event.preventDefault()
  const body = new URLSearchParams(new FormData(form, choice))
  fetch(form.action, { method: 'POST', body, redirect: 'manual' })
  if (choice.value === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = choice.value
  for (const other of form.querySelectorAll('button')) other.setAttribute('aria-pressed', String(other === choice))
})

// After a refused form, the first wrong field is where the cursor belongs.
const focusWrong = (root) => root.querySelector('[aria-invalid="true"]')?.focus()
focusWrong(document)
document.addEventListener('htmx:afterSettle', (event) => focusWrong(event.detail.target ?? document))

// Live updates can be paused; what was drawn last stays.
document.addEventListener('htmx:sseBeforeMessage', (event) => {
  const pause = document.querySelector('[data-live-toggle]')
  if (pause && pause.getAttribute('aria-pressed') === 'false') event.preventDefault()
})
document.addEventListener('click', (event) => {
  const toggle = event.target.closest('[data-live-toggle]')
  if (!toggle) return
  const on = toggle.getAttribute('aria-pressed') === 'true'
  toggle.setAttribute('aria-pressed', String(!on))
  toggle.querySelector('[data-label]').textContent = on ? 'Resume' : 'Pause'
})
