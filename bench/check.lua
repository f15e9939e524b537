-- POSTs checks that differ in goal, run_id and key, each with its own number. Arguments: the folder with the
-- pieces, and the first number. Prints one line that bench/wrk.py reads.

local numbered = 8 -- digits, so that every body has the same length

local function lines(path)
  local all = {}
  for line in io.lines(path) do
    all[#all + 1] = line
  end
  return all
end

function init(args)
  local keys = lines(args[1] .. "/keys")
  local file = io.open(args[1] .. "/body", "rb")
  local body = file:read("*a")
  file:close()
  local mark = string.rep("#", numbered)
  pieces = {}
  local from = 1
  while true do
    local at = string.find(body, mark, from, true)
    pieces[#pieces + 1] = string.sub(body, from, at and at - 1)
    if not at then
      break
    end
    from = at + numbered
  end
  heads = {}
  for i, key in ipairs(keys) do
    heads[i] = table.concat({
      "POST /check HTTP/1.1",
      "host: 127.0.0.1",
      "content-type: application/json",
      "x-api-key: " .. key,
      "content-length: " .. #body,
      "\r\n",
    }, "\r\n") .. pieces[1]
  end
  number = tonumber(args[2])
end

function request()
  number = (number + 1) % 100000000
  local digits = string.format("%08d", number)
  local whole = heads[number % #heads + 1]
  for i = 2, #pieces do
    whole = whole .. digits .. pieces[i]
  end
  return whole
end

function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    "RESULT %d %d %d %d %.0f %.0f",
    summary.requests,
    summary.duration,
    errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50),
    latency:percentile(99)
  ))
end
