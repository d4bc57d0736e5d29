// Ctrl+K or ⌘K: go to any page of the console by typing a few letters of its name.
export function attachPalette() {
  const palette = document.getElementById('palette')
  if (!palette) return
  const input = palette.querySelector('input')
  const list = palette.querySelector('ul')
  const items = [...list.children]
  let chosen = 0

  const visible = () => items.filter((item) => !item.hidden)
  const mark = (index) => {
    const shown = visible()
    chosen = shown.length ? (index + shown.length) % shown.length : 0
    for (const item of items) item.setAttribute('aria-selected', 'false')
    const current = shown[chosen]
    if (!current) {
      input.removeAttribute('aria-activedescendant')
      return
    }
    current.setAttribute('aria-selected', 'true')
    current.scrollIntoView({ block: 'nearest' })
    input.setAttribute('aria-activedescendant', current.id)
  }
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean)
    for (const item of items) item.hidden = !words.every((word) => item.dataset.words.includes(word))
    palette.querySelector('[data-none]').hidden = visible().length > 0
    mark(0)
  }
  const open = () => {
    input.value = ''
    filter()
    palette.showModal()
    input.focus()
  }
  document.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault()
      if (palette.open) palette.close()
      else open()
    }
  })
  document.addEventListener('click', (event) => {
    if (event.target.closest('[data-palette]')) open()
    if (event.target === palette) palette.close()
    const item = event.target.closest('#palette li')
    if (item) location.assign(item.dataset.href)
  })
  input.addEventListener('input', filter)
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown') mark(chosen + 1)
    else if (event.key === 'ArrowUp') mark(chosen - 1)
    else if (event.key === 'Enter') location.assign(visible()[chosen]?.dataset.href ?? location.href)
    else return
    event.preventDefault()
  })
}
