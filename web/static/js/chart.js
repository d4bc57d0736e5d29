// Shows the figures of the column under the pointer. The same figures are in the table below the chart.
import { show } from './time.js'

export function attachCharts(root) {
  const charts = root.matches?.('[data-chart]') ? [root] : root.querySelectorAll('[data-chart]')
  for (const chart of charts) {
    if (chart.dataset.attached) continue
    chart.dataset.attached = 'yes'
    chart.addEventListener('pointermove', (event) => point(chart, event.target.closest('.chart-col'), event))
    chart.addEventListener('pointerleave', () => point(chart, null))
  }
}

function point(chart, column, event) {
  let tip = chart.querySelector('.chart-tip')
  if (!column) {
    tip?.remove()
    return
  }
  if (!tip) {
    tip = document.createElement('div')
    tip.className = 'chart-tip'
    tip.setAttribute('aria-hidden', 'true')
    chart.append(tip)
  }
  if (tip.dataset.start !== column.dataset.start) draw(tip, column)
  const box = chart.getBoundingClientRect()
  const x = event.clientX - box.left
  const width = tip.offsetWidth
  tip.style.left = `${x + 18 + width > box.width ? Math.max(0, x - width - 18) : x + 18}px`
  tip.style.top = `${Math.max(0, Math.min(event.clientY - box.top - 20, box.height - tip.offsetHeight))}px`
}

function draw(tip, column) {
  tip.dataset.start = column.dataset.start
  const head = document.createElement('div')
  const when = document.createElement('b')
  const at = new Date(column.dataset.start)
  when.textContent = column.dataset.unit === 'day' ? show.day(at) : `${show['day-short'](at)}, ${show.clock(at)}`
  const total = document.createElement('b')
  total.textContent = column.dataset.total
  head.append(when, total)
  tip.replaceChildren(head)
  for (const part of column.querySelectorAll('[data-name]')) {
    const line = document.createElement('div')
    const name = document.createElement('span')
    const swatch = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
    swatch.setAttribute('class', 'swatch')
    const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
    rect.setAttribute('width', '10')
    rect.setAttribute('height', '10')
    rect.setAttribute('class', part.getAttribute('class'))
    swatch.append(rect)
    name.append(swatch, part.dataset.name)
    const cost = document.createElement('span')
    cost.textContent = part.dataset.cost
    line.append(name, cost)
    tip.append(line)
  }
}
