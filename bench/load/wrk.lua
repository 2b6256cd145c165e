-- Asks for one path on many hosts, in an order that looks random and is the same each time. Few hosts: the requests are made
-- before the clock starts. Many: they are put together from pieces, which is cheaper than to fetch a kilobyte from far memory.
local pieces, names, requests, n, at, step = {}, {}, nil, 0, 0, 1

local function made(name)
  return table.concat(pieces, name)
end

function init(args)
  local f = assert(io.open(os.getenv("BERTH_BENCH_REQUEST"), "rb"))
  local text = f:read("*a")
  f:close()
  local from = 1
  while true do
    local a, b = text:find("HOST", from, true)
    if not a then break end
    pieces[#pieces + 1] = text:sub(from, a - 1)
    from = b + 1
  end
  pieces[#pieces + 1] = text:sub(from)
  for name in io.lines(os.getenv("BERTH_BENCH_HOSTS")) do
    n = n + 1
    names[n] = name
  end
  at = tonumber(os.getenv("BERTH_BENCH_AT"))
  step = tonumber(os.getenv("BERTH_BENCH_STEP"))
  if n <= 5000 then
    requests = {}
    for i = 1, n do requests[i] = made(names[i]) end
  end
end

function request()
  at = at + step
  if at >= n then at = at - n end
  if requests then return requests[at + 1] end
  if #pieces == 3 then
    local name = names[at + 1]
    return pieces[1] .. name .. pieces[2] .. name .. pieces[3]
  end
  return made(names[at + 1])
end

function done(summary, latency)
  local e = summary.errors
  io.stderr:write(string.format(
    '{"requests":%d,"bytes":%d,"micros":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"p50":%d,"p99":%d,"p999":%d,"max":%d}\n',
    summary.requests, summary.bytes, summary.duration, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
