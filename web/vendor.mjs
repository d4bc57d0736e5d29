// Copies what the console serves from the pinned packages into static/dist, and draws the icon sprite.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const from = (path) => new URL(`node_modules/${path}`, import.meta.url)
const to = (path) => new URL(`static/dist/${path}`, import.meta.url)
mkdirSync(to(''), { recursive: true })

const files = {
  'htmx.js': 'htmx.org/dist/htmx.min.js',
  'htmx-sse.js': 'htmx-ext-sse/dist/sse.min.js',
  'inter.woff2': '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2',
  'inter-ext.woff2': '@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2',
  'mono.woff2': '@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2',
}
for (const [name, path] of Object.entries(files)) copyFileSync(from(path), to(name))

const icons = [
  'activity', 'arrow-left', 'arrow-right', 'bot', 'check', 'chevron-down', 'chevrons-up-down', 'circle-alert',
  'circle-check', 'copy', 'database', 'gauge', 'git-branch', 'history', 'info', 'key-round', 'layers', 'layout-dashboard', 'list',
  'log-out', 'menu', 'monitor', 'moon', 'pencil', 'plug', 'plus', 'radio', 'search', 'settings', 'shield-check', 'sun', 'triangle-alert', 'users',
  'wallet', 'x', 'chart-column', 'server', 'lock',
]
const symbols = icons.map((name) => {
  const svg = readFileSync(from(`lucide-static/icons/${name}.svg`), 'utf8')
  const inner = svg.replace(/<!--.*?-->/gs, '').replace(/^[\s\S]*?<svg[^>]*>/, '').replace(/<\/svg>\s*$/, '').replace(/\s+/g, ' ').trim()
  return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">${inner}</symbol>`
})
writeFileSync(to('icons.svg'), `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join('\n')}\n</svg>\n`)
