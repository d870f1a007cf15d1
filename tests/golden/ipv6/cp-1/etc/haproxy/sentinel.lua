-- Holds a connection to every apiserver that nothing is asked on. A process that is killed closes
-- its connections first and stops listening up to a tenth of a second later: whoever it cut would
-- be let in again, and cut again. The checks need longer than that; this needs none.

local NEW, OLD = 1, 20 -- seconds; an apiserver closes what asks nothing for 32
local AWAY = 3 -- seconds, in which the checks find out themselves

local function seconds()
    local now = core.now()
    return now.sec + now.usec / 1000000
end

local function is_up(server)
    return string.sub(server:get_stats().status, 1, 2) == "UP"
end

-- Tells whether the server closed a connection that it had taken, and not we for its age.
local function is_closed(server)
    local address, port = string.match(server:get_addr(), "^(.*):(%d+)$")
    local socket = core.tcp()
    local start = seconds()
    socket:settimeout(OLD)
    if not socket:connect_ssl(address, tonumber(port)) then
        return false
    end
    local taken = seconds()
    socket:receive(1)
    socket:close()
    local stop = seconds()
    return stop - taken > NEW and stop - start < OLD - 1
end

local function is_spare(servers, server)
    for _, other in pairs(servers) do
        if other ~= server and is_up(other) then
            return true
        end
    end
    return false
end

local function guard(servers, name)
    local server = servers[name]
    while core.get_info().Stopping ~= 1 do
        if is_closed(server) and is_up(server) and is_spare(servers, server) then
            core.log(core.info, "sentinel: " .. name .. " closed its connection")
            server:set_drain()
            core.sleep(AWAY)
            server:set_ready()
        else
            core.msleep(500)
        end
    end
end

core.register_init(function()
    local servers = core.backends.apiservers.servers
    for name in pairs(servers) do
        core.register_task(function()
            guard(servers, name)
        end)
    end
end)
