// What runs inside Redis. Each script is atomic; a script that Redis ends half way leaves `torn` set, which everyone takes for damage.
//
// KEYS, the same for all: 1 meta (hash), 2 events (hash: resource key -> newest version), 3 orders (hash: resource key -> order key,
// space, source), 4 epochs (sorted set: resource key by the position of its newest version), 5 changes (stream; the id of an entry is the
// journal position up to which it goes).
//
// meta: identity of the journal, generation (random, new with every reset), position up to which everything is in, base at which the
// generation began, count of keys, mark (which event stands at markPosition), erased (position of
// the last erasure), torn, floor:<source> (versions up to there were let go).

const STANDING = `
local function standing()
  local m = redis.call('HMGET', KEYS[1], 'identity', 'generation', 'position', 'count', 'torn', 'base', 'markPosition', 'mark', 'erased')
  if not m[1] or not m[2] or not m[3] then return 'missing', m end
  if m[1] ~= ARGV[1] then return 'foreign', m end
  local count = tonumber(m[4])
  if m[5] ~= '0' or redis.call('HLEN', KEYS[2]) ~= count or redis.call('HLEN', KEYS[3]) ~= count
    or redis.call('ZCARD', KEYS[4]) ~= count then return 'damaged', m end
  return 'ok', m
end
`;

/** ARGV: identity. Answers state, generation, position, base, position and id of the mark, position of the last erasure, floors. */
export const LOOK = `${STANDING}
local state, m = standing()
if state ~= 'ok' then return {state} end
local floors = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 6) == 'floor:' then
    floors[#floors + 1] = string.sub(all[i], 7)
    floors[#floors + 1] = all[i + 1]
  end
end
return {state, m[2], m[3], m[6], m[7], m[8], m[9], floors}
`;

/** ARGV: identity, generation, position, position and id of the mark. Forgets everything and begins at the position. */
export const RESET = `
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('HSET', KEYS[1], 'identity', ARGV[1], 'generation', ARGV[2], 'position', ARGV[3], 'base', ARGV[3],
  'count', '0', 'torn', '0', 'erased', '0', 'markPosition', ARGV[4], 'mark', ARGV[5])
return {'ok'}
`;

/**
 * ARGV: identity, generation, previous, upTo, oldest entry to keep, position and id of the mark, then for each event key, order key,
 * source, position and bytes. Takes the journal's range (previous, upTo] in, newest by order key; a range that does not begin where
 * the store stands changes nothing. Without a key bytes are only handed on; without an order key what is known of the key goes.
 */
export const APPLY = `${STANDING}
local state, m = standing()
if state ~= 'ok' then return {state} end
if m[2] ~= ARGV[2] then return {'moved'} end
if m[3] ~= ARGV[3] then return {'moved'} end
redis.call('HSET', KEYS[1], 'torn', '1')
local count = tonumber(m[4])
local erased = m[9]
local entry = {'previous', ARGV[3], 'markPosition', ARGV[6], 'mark', ARGV[7]}
for i = 8, #ARGV, 5 do
  local key, order, bytes = ARGV[i], ARGV[i + 1], ARGV[i + 4]
  if key ~= '' and order == '' then
    if redis.call('HDEL', KEYS[3], key) == 1 then
      redis.call('HDEL', KEYS[2], key)
      redis.call('ZREM', KEYS[4], key)
      count = count - 1
    end
  elseif key ~= '' then
    local known = redis.call('HGET', KEYS[3], key)
    if not known or string.sub(known, 1, #order) < order then
      if not known then count = count + 1 end
      redis.call('HSET', KEYS[3], key, order .. ' ' .. ARGV[i + 2])
      redis.call('HSET', KEYS[2], key, bytes)
      redis.call('ZADD', KEYS[4], ARGV[i + 3], key)
    end
  end
  if key == '' then erased = ARGV[i + 3] end
  if bytes ~= '' then
    entry[#entry + 1] = 'event'
    entry[#entry + 1] = bytes
  end
end
redis.call('XADD', KEYS[5], ARGV[4] .. '-0', unpack(entry))
redis.call('XTRIM', KEYS[5], 'MINID', ARGV[5])
redis.call('HSET', KEYS[1], 'position', ARGV[4], 'count', count, 'erased', erased, 'markPosition', ARGV[6], 'mark', ARGV[7], 'torn', '0')
return {'ok'}
`;

/** ARGV: identity, generation, after, limit. Newest versions after a position: the last one's position, then the events. */
export const PAGE = `${STANDING}
local state, m = standing()
if state ~= 'ok' then return {state} end
if m[2] ~= ARGV[2] then return {'moved'} end
local found = redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local answer = {state, ARGV[3]}
for i = 1, #found, 2 do
  answer[2] = found[i + 1]
  answer[#answer + 1] = redis.call('HGET', KEYS[2], found[i])
end
return answer
`;

/**
 * ARGV: identity, how many to skip, how many to look at, then source and position in turn. Lets versions go that a snapshot covers;
 * answers how many were looked at and how many went.
 */
export const FORGET = `${STANDING}
local state, m = standing()
if state ~= 'ok' then return {state, '0', '0'} end
local covered, most = {}, 0
redis.call('HSET', KEYS[1], 'torn', '1')
for i = 4, #ARGV, 2 do
  local position = tonumber(ARGV[i + 1])
  covered[ARGV[i]] = position
  if position > most then most = position end
  local field = 'floor:' .. ARGV[i]
  if position > tonumber(redis.call('HGET', KEYS[1], field) or '0') then redis.call('HSET', KEYS[1], field, ARGV[i + 1]) end
end
local found = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', most, 'WITHSCORES', 'LIMIT', ARGV[2], ARGV[3])
local gone = 0
for i = 1, #found, 2 do
  local known = redis.call('HGET', KEYS[3], found[i])
  local source = string.sub(known, string.find(known, ' ', 1, true) + 1)
  if (covered[source] or 0) >= tonumber(found[i + 1]) then
    redis.call('HDEL', KEYS[2], found[i])
    redis.call('HDEL', KEYS[3], found[i])
    redis.call('ZREM', KEYS[4], found[i])
    gone = gone + 1
  end
end
redis.call('HSET', KEYS[1], 'count', tonumber(m[4]) - gone, 'torn', '0')
return {'ok', tostring(#found / 2), tostring(gone)}
`;

/** KEYS: the lease. ARGV: token, milliseconds. Answers 1 to its holder. */
export const LEAD = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;

/** KEYS: the lease. ARGV: token. Gives the lease up. */
export const YIELD = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`;
