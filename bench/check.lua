-- POSTs checks that differ in goal, key and Idempotency-Key, each with its own number, and go round among some runs.
-- Arguments: the folder with the pieces, the first number, the first run, how many runs, and "token" where an
-- Idempotency-Key is sent. Prints one line that bench/wrk.py reads.

local check_mark = "##########" -- as many digits, so that every body has the same length
local run_mark = "~~~~~~~~~~"

local function lines(path)
  local all = {}
  for line in io.lines(path) do
    all[#all + 1] = line
  end
  return all
end

local function split(text, mark)
  local all = {}
  local from = 1
  while true do
    local at = string.find(text, mark, from, true)
    all[#all + 1] = string.sub(text, from, at and at - 1)
    if not at then
      return all
    end
    from = at + #mark
  end
end

function init(args)
  local keys = lines(args[1] .. "/keys")
  local file = io.open(args[1] .. "/body", "rb")
  local body = file:read("*a")
  file:close()
  local head = {
    "POST /check HTTP/1.1",
    "host: 127.0.0.1",
    "content-type: application/json",
    "content-length: " .. #body,
  }
  if args[5] == "token" then
    head[#head + 1] = "idempotency-key: bench-" .. check_mark
  end
  numbered = {}
  for i, key in ipairs(keys) do
    local all = table.concat(head, "\r\n") .. "\r\nx-api-key: " .. key .. "\r\n\r\n" .. body
    local pieces = {}
    for j, piece in ipairs(split(all, check_mark)) do
      pieces[j] = split(piece, run_mark)
    end
    numbered[i] = pieces
  end
  number = tonumber(args[2])
  first_run = tonumber(args[3])
  runs = tonumber(args[4])
end

function request()
  number = (number + 1) % 10000000000
  local digits = string.format("%010d", number)
  local run = string.format("%010d", first_run + number % runs)
  local pieces = {}
  for i, piece in ipairs(numbered[number % #numbered + 1]) do
    pieces[i] = table.concat(piece, run)
  end
  return table.concat(pieces, digits)
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
