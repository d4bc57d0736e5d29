package limit

import "github.com/redis/go-redis/v9"

// scripts are the scripts with their hashes.
type scripts struct{ take, settle, hold, own, live *redis.Script }

func newScripts() scripts {
	return scripts{redis.NewScript(takeScript), redis.NewScript(settleScript), redis.NewScript(holdScript), redis.NewScript(ownScript), redis.NewScript(liveScript)}
}

// tellLua puts down what an edge took against its own share while Redis was away: "age in buckets=units,…" becomes the field "e:edge" of
// "bucket=units,…". Only the edge itself writes it, each time the whole, so that telling it again adds nothing.
//
//nolint:dupword // Lua ends its blocks so
const tellLua = `
local tell = function(key, edge, own, current, buckets, length)
  local told, kind = {}, redis.call('TYPE', key)
  if kind.ok ~= 'hash' and kind.ok ~= 'none' then redis.call('DEL', key) end
  for age, n in string.gmatch(own, '(%d+)=(%d+)') do
    age, n = tonumber(age), tonumber(n)
    if age <= buckets and n > 0 and n < 1e15 then told[#told + 1] = string.format('%.0f=%.0f', current - age, n) end
  end
  if #told == 0 then return redis.call('HDEL', key, 'e:' .. edge) end
  redis.call('HSET', key, 'e:' .. edge, table.concat(told, ','))
  return redis.call('PEXPIRE', key, string.format('%.0f', (buckets + 2) * length / 1000))
end
`

// takeScript takes from all limits of one call, or from none, by Redis' own clock, so that edges need not agree on the time. All keys
// are of one organization, whose id is their hash tag.
//
// A limit by time is a hash of bucket → count, and of "e:edge" → what the edge took without Redis. What Redis holds and what the asking edge
// itself knows to have taken are merged by the larger: counters that were lost are not counted again by addition. A limit of calls at a time
// is a hash of edge → "slots:expiry in ms"; each edge alone writes its field, as an absolute number, and a field that is not refreshed expires.
//
// Numbers reach Redis through string.format, because real Redis prints large ones with 14 digits. Whatever is not what this script
// writes is dropped.
//
// ARGV: edge, lease in µs, then for each key: kind (w, c), amount, need, want, mine, length of a bucket in µs, buckets, own (as tellLua reads
// it; empty: nothing new).
// Answer: the key that refuses (0: none), the wait in µs, then for each key: granted, free afterwards, bucket.
//
//nolint:dupword // Lua ends its blocks so
const takeScript = tellLua + `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local edge, lease = ARGV[1], tonumber(ARGV[2])
local whole = function(n) return string.format('%.0f', n) end
local fields = function(key)
  local raw = redis.pcall('HGETALL', key)
  if raw.err then redis.call('DEL', key); return {} end
  return raw
end
local sane = function(n) return n and n > 0 and n < 1e15 and n == math.floor(n) end
local limits, refuses, wait = {}, 0, 0
for i = 1, #KEYS do
  local at = 2 + (i - 1) * 8
  local l = {
    key = KEYS[i], slots = ARGV[at + 1] == 'c', amount = tonumber(ARGV[at + 2]), need = tonumber(ARGV[at + 3]), want = tonumber(ARGV[at + 4]),
    mine = tonumber(ARGV[at + 5]), length = tonumber(ARGV[at + 6]), buckets = tonumber(ARGV[at + 7]), used = 0, live = {}, dead = {}, own = 0,
  }
  l.bucket = l.slots and 0 or math.floor(now / l.length)
  if ARGV[at + 8] ~= '' then tell(l.key, edge, ARGV[at + 8], l.bucket, l.buckets, l.length) end
  local raw = fields(l.key)
  local count = function(bucket, n)
    if not sane(bucket) or not sane(n) or bucket < l.bucket - l.buckets or bucket > l.bucket then return false end
    l.used = l.used + n
    l.live[#l.live + 1] = {bucket, n}
    return true
  end
  for f = 1, #raw, 2 do
    if l.slots then
      local n, expiry = string.match(raw[f + 1], '^(%d+):(%d+)$')
      n, expiry = tonumber(n), tonumber(expiry)
      if not sane(n) or not sane(expiry) or expiry * 1000 < now or expiry * 1000 > now + lease * 2 then
        l.dead[#l.dead + 1] = raw[f]
      elseif raw[f] == edge then
        l.own = n
      else
        l.used = l.used + n
      end
    elseif string.sub(raw[f], 1, 2) == 'e:' then
      local counted = false
      for bucket, n in string.gmatch(raw[f + 1], '(%d+)=(%d+)') do counted = count(tonumber(bucket), tonumber(n)) or counted end
      if not counted then l.dead[#l.dead + 1] = raw[f] end
    elseif not count(tonumber(raw[f]), tonumber(raw[f + 1])) then
      l.dead[#l.dead + 1] = raw[f]
    end
  end
  for d = 1, #l.dead do redis.call('HDEL', l.key, l.dead[d]) end
  if l.slots then
    l.own = math.max(l.own, l.mine)
    l.used = l.used + l.own
    l.free = l.amount - l.used
  else
    l.free = l.amount - math.max(l.used, l.mine)
  end
  limits[i] = l
  if refuses == 0 and l.free < l.need then
    refuses = i
    table.sort(l.live, function(a, b) return a[1] < b[1] end)
    local left = l.used
    wait = l.length
    for _, b in ipairs(l.live) do
      left = left - b[2]
      wait = (b[1] + l.buckets + 1) * l.length - now
      if left + l.need <= l.amount then break end
    end
  end
end
local answer = {refuses, wait}
for _, l in ipairs(limits) do
  local granted = 0
  if refuses == 0 then
    granted = math.max(math.min(l.want, l.free), l.need)
    if l.slots then
      redis.call('HSET', l.key, edge, whole(l.own + granted) .. ':' .. whole(math.floor((now + lease) / 1000)))
      redis.call('PEXPIRE', l.key, whole(lease / 500))
    elseif granted > 0 then
      redis.call('HINCRBY', l.key, whole(l.bucket), whole(granted))
      redis.call('PEXPIRE', l.key, whole((l.buckets + 2) * l.length / 1000))
    end
  end
  answer[#answer + 1] = granted
  answer[#answer + 1] = math.max(l.free - granted, 0)
  answer[#answer + 1] = l.bucket
end
return answer
`

// settleScript gives back to the bucket that was taken from what it still holds, and adds what was used beyond the estimate now.
// ARGV: length of a bucket in µs, buckets, bucket, back, more.
//
//nolint:dupword // Lua ends its blocks so
const settleScript = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local length, buckets, bucket = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local back, more = tonumber(ARGV[4]), tonumber(ARGV[5])
local current = math.floor(now / length)
local whole = function(n) return string.format('%.0f', n) end
local kind = redis.call('TYPE', KEYS[1])
if kind.ok ~= 'hash' and kind.ok ~= 'none' then redis.call('DEL', KEYS[1]) end
if back > 0 and bucket >= current - buckets then
  local held = tonumber(redis.call('HGET', KEYS[1], whole(bucket)) or '') or 0
  if held > back and held < 1e15 then
    redis.call('HSET', KEYS[1], whole(bucket), whole(math.floor(held - back)))
  else
    redis.call('HDEL', KEYS[1], whole(bucket))
  end
end
if more > 0 then
  local held = tonumber(redis.call('HGET', KEYS[1], whole(current)) or '') or 0
  if held < 0 or held > 1e15 or held ~= math.floor(held) then held = 0 end
  redis.call('HSET', KEYS[1], whole(current), whole(held + more))
  redis.call('PEXPIRE', KEYS[1], whole((buckets + 2) * length / 1000))
end
return 1
`

// holdScript says how many slots the edge holds, as an absolute number, and for how long. ARGV: edge, lease in µs, slots.
const holdScript = `
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local lease, slots = tonumber(ARGV[2]), tonumber(ARGV[3])
local kind = redis.call('TYPE', KEYS[1])
if kind.ok ~= 'hash' and kind.ok ~= 'none' then redis.call('DEL', KEYS[1]) end
if slots <= 0 then return redis.call('HDEL', KEYS[1], ARGV[1]) end
local whole = function(n) return string.format('%.0f', n) end
redis.call('HSET', KEYS[1], ARGV[1], whole(slots) .. ':' .. whole(math.floor((now + lease) / 1000)))
redis.call('PEXPIRE', KEYS[1], whole(lease / 500))
return 1
`

// ownScript says what an edge took against its own share. ARGV: edge, length of a bucket in µs, buckets, own.
const ownScript = tellLua + `
local clock = redis.call('TIME')
local length = tonumber(ARGV[2])
return tell(KEYS[1], ARGV[1], ARGV[4], math.floor((tonumber(clock[1]) * 1000000 + tonumber(clock[2])) / length), tonumber(ARGV[3]), length)
`

// liveScript says that an edge lives, counts those that do, and says how many of them come before it by name.
//
//nolint:dupword // Lua ends its blocks so
const liveScript = `
local now = tonumber(redis.call('TIME')[1])
local kind = redis.call('TYPE', KEYS[1])
if kind.ok ~= 'zset' and kind.ok ~= 'none' then redis.call('DEL', KEYS[1]) end
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - tonumber(ARGV[2])))
redis.call('ZREMRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
local before, all = 0, redis.call('ZRANGE', KEYS[1], 0, -1)
for i = 1, #all do
  if all[i] < ARGV[1] then before = before + 1 end
end
redis.call('EXPIRE', KEYS[1], 60)
return {#all, before}
`
