// Shows moments in the viewer's own zone and language. The server wrote them in UTC.
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
const moment = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' })
const minute = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' })
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const dayShort = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'long' })

const steps = [['second', 1], ['minute', 60], ['hour', 3600], ['day', 86400], ['month', 2629800], ['year', 31557600]]

function ago(at) {
  const seconds = Math.round((at - Date.now()) / 1000)
  if (Math.abs(seconds) < 5) return 'just now'
  const size = Math.abs(seconds)
  let unit = steps[0]
  for (const step of steps) if (size >= step[1]) unit = step
  return relative.format(Math.trunc(seconds / unit[1]), unit[0])
}

export const show = { day: (at) => day.format(at), moment: (at) => moment.format(at), minute: (at) => minute.format(at), clock: (at) => clock.format(at), 'day-short': (at) => dayShort.format(at), ago }

export function localizeTimes(root) {
  for (const element of root.querySelectorAll('time[data-show]')) {
    const at = new Date(element.dateTime)
    if (Number.isNaN(at.getTime())) continue
    const text = show[element.dataset.show](at)
    if (element.textContent !== text) element.textContent = text
    if (!element.title) element.title = full.format(at)
  }
}
