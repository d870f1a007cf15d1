-- Holds a connection to every apiserver. A process that is killed closes its connections first and
-- stops listening some tens of milliseconds later: whoever it cut would be let in again, and cut
-- again. The checks need longer than that; this needs none.

local AWAY = 2 -- seconds, in which the checks find out themselves
local OLD = 30 -- seconds; an apiserver closes what asks nothing for 90
local PATIENCE = 5 -- seconds
local QUESTION = "GET /readyz HTTP/1.1\r\nHost: kubernetes\r\n\r\n"

local function seconds()
    local now = core.now()
    return now.sec + now.usec / 1000000
end

local function is_up(server)
    return string.sub(server:get_stats().status, 1, 2) == "UP"
end

local function is_spare(servers, name)
    for other, server in pairs(servers) do
        if other ~= name and is_up(server) then
            return true
        end
    end
    return false
end

-- An apiserver that stops waits five seconds for a connection that has not asked anything yet.
local function is_answered(socket)
    socket:send(QUESTION)
    local line, length
    repeat
        line = socket:receive("*l")
        if not line then
            return false
        end
        length = length or tonumber(string.match(string.lower(line), "^content%-length: *(%d+)"))
    until line == ""
    return length and socket:receive(length) ~= nil
end

-- Returns whether there was a connection, and whether we gave it up, for its age.
local function hold(server)
    local address, port = string.match(server:get_addr(), "^(.*):(%d+)$")
    local socket = core.tcp()
    socket:settimeout(PATIENCE)
    local is_held = socket:connect_ssl(address, tonumber(port)) and is_answered(socket)
    local start = seconds()
    if is_held then
        socket:settimeout(OLD)
        socket:receive(1)
    end
    socket:close()
    return is_held, seconds() - start > OLD - 1
end

local function leave_out(servers, name)
    local server = servers[name]
    local stop = seconds() + AWAY
    core.log(core.notice, "sentinel: " .. name .. " closed its connection")
    server:set_drain()
    while seconds() < stop and is_spare(servers, name) do
        core.msleep(100)
    end
    if string.sub(server:get_stats().status, 1, 5) ~= "MAINT" then
        server:set_ready()
    end
end

local function guard(servers, name)
    while core.get_info().Stopping ~= 1 do
        local is_held, is_old = hold(servers[name])
        if is_held and not is_old and is_up(servers[name]) and is_spare(servers, name) then
            leave_out(servers, name)
        elseif not is_old then
            core.msleep(500)
        end
    end
end

core.register_init(function()
    local servers = {}
    for name, server in pairs(core.backends.apiservers.servers) do
        servers[name] = server
    end
    for name in pairs(servers) do
        core.register_task(function()
            guard(servers, name)
        end)
    end
end)
