"""The sandbox: what a script may see of Lua, as a Lua program that is run once.

Lua itself (5.1, as in Redis) comes with `lupa`.  Redis patched it to make tables read-only; here each library stands
behind an empty table whose metatable reads from the real one and refuses to be written, and `pairs`, `next`, `rawset`,
`setmetatable` and `getmetatable` know such tables, so that no script leaves a trace for the next.

Three rules keep Python and Lua apart, each learnt from what goes wrong without it:

    only Lua functions are visible    a Python object shows its attributes, and from there the whole interpreter
    failures cross as values          a Python exception would arrive as userdata, an uncaught `error{...}` as nothing:
                                      so what crosses the border says (ok, value), and each side raises its own errors
    the hook follows coroutines       Lua counts instructions per coroutine, so each new one gets the hook too

Once a script is to be killed the hook is set to every line: a script's own `pcall` catches the first error, and meets
the next one at once.
"""

SANDBOX = rb"""
local python_call, python_tick, python_random, python_library, python_null, python_untail = ...

local debug_sethook, debug_getinfo = debug.sethook, debug.getinfo
local error, type, rawset, setmetatable, getmetatable = error, type, rawset, setmetatable, getmetatable
local next, pairs, select, tostring, xpcall, rawget, rawequal = next, pairs, select, tostring, xpcall, rawget, rawequal
local dump, loadstring, unpack, setfenv, ipairs, pcall = string.dump, loadstring, unpack, setfenv, ipairs, pcall

-- Read-only tables ---------------------------------------------------------------------------------------------------

local behind = setmetatable({}, {__mode = 'k'})         -- the table that stands behind each read-only one

local function readonly() error('Attempt to modify a readonly table', 2) end

local function protect(real, missing)
    local front = setmetatable({}, {__index = missing or real, __newindex = readonly})
    behind[front] = real
    return front
end

-- What Python offers, as Lua functions ---------------------------------------------------------------------------------

local function checked(ok, ...)
    if ok then return ... end
    error((...), 0)
end

local function located(ok, ...)                          -- the same, with the script's line in front
    if ok then return ... end
    error((...), 3)
end

local function offer(name)
    local call = python_library(name)
    return function(...) return located(call(...)) end
end

local function library(prefix, ...)
    local functions = {}
    for _, name in ipairs({...}) do functions[name] = offer(prefix .. '.' .. name) end
    return functions
end

-- redis ---------------------------------------------------------------------------------------------------------------

local redis = {
    LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
    REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
}

function redis.call(...)
    local ok, value = python_call(select('#', ...), ...)
    if ok then return value end
    error({err = value}, 0)
end

function redis.pcall(...)
    local ok, value = python_call(select('#', ...), ...)
    if ok then return value end
    return {err = value}
end

function redis.error_reply(message)
    if type(message) ~= 'string' then return {err = 'wrong number or type of arguments'} end
    if message:sub(1, 1) == '-' then message = message:sub(2) end
    if not message:find(' ', 1, true) then message = 'ERR ' .. message end
    return {err = message}
end

function redis.status_reply(message)
    if type(message) ~= 'string' then return {err = 'wrong number or type of arguments'} end
    return {ok = message}
end

function redis.replicate_commands() return true end
function redis.breakpoint() return false end
function redis.debug() end

local function command(name)                             -- one whose errors are errors of redis, not of Lua
    local call = python_library('redis.' .. name)
    return function(...)
        local ok, value = call(select('#', ...), ...)
        if ok then return value end
        error({err = value}, 0)
    end
end
for _, name in ipairs({'log', 'sha1hex', 'setresp', 'set_repl', 'acl_check_cmd'}) do redis[name] = command(name) end
redis.REDIS_VERSION, redis.REDIS_VERSION_NUM = python_library('version')()

-- The other libraries --------------------------------------------------------------------------------------------------

local cjson = library('cjson', 'encode', 'decode', 'encode_sparse_array', 'encode_max_depth', 'decode_max_depth',
    'encode_number_precision', 'encode_keep_buffer', 'encode_invalid_numbers', 'decode_invalid_numbers', 'new')
cjson.null = newproxy()                                  -- a value of its own kind, as C's is
python_null(cjson.null)
cjson._NAME, cjson._VERSION = 'cjson', '2.1.0'
local cmsgpack = library('cmsgpack', 'pack', 'unpack', 'unpack_one', 'unpack_limit')
cmsgpack._NAME, cmsgpack._VERSION = 'cmsgpack', 'lua-cmsgpack 0.4.0'
cmsgpack._COPYRIGHT, cmsgpack._DESCRIPTION = '', 'MessagePack C implementation for Lua'
local struct = library('struct', 'pack', 'unpack', 'size')
local bit = library('bit', 'tobit', 'tohex', 'bnot', 'band', 'bor', 'bxor', 'lshift', 'rshift', 'arshift', 'rol', 'ror',
    'bswap')

-- The same dice in every script: a script that uses them may be run again and must do the same.
local function random(low, high)
    local fraction = python_random()
    if not low then return fraction end
    if not high then low, high = 1, low end
    if low > high then error('bad argument #1 to \'random\' (interval is empty)', 2) end
    return math.floor(fraction * (high - low + 1)) + low
end
local mathematics = {}
for name, value in pairs(math) do mathematics[name] = value end
mathematics.random = random
mathematics.randomseed = function(seed) python_random(seed) end

-- What Lua has, where a read-only table must be known -----------------------------------------------------------------

local globals = {
    assert = assert, collectgarbage = collectgarbage, error = error, gcinfo = gcinfo, ipairs = ipairs, pcall = pcall,
    rawequal = rawequal, select = select, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
    xpcall = xpcall, _VERSION = _VERSION,
}

function globals.next(t, key) return next(behind[t] or t, key) end

function globals.pairs(t) return next, behind[t] or t, nil end

function globals.rawget(t, key) return rawget(behind[t] or t, key) end

function globals.rawset(t, key, value)
    if behind[t] then error('Attempt to modify a readonly table', 0) end
    return rawset(t, key, value)
end

function globals.setmetatable(t, metatable)
    if behind[t] then error('Attempt to modify a readonly table', 0) end
    return setmetatable(t, metatable)
end

local environment                                       -- what a script sees as its globals

local function inside(chunk, failure)
    if chunk then setfenv(chunk, environment) end
    return chunk, failure
end

-- Precompiled chunks are not checked by Lua and can break it: source text only.
function globals.loadstring(text, name)
    if type(text) == 'string' and text:sub(1, 1) == '\27' then return nil, 'attempt to load a binary chunk' end
    return inside(loadstring(text, name or text))
end

function globals.load(pieces, name)
    local text = {}
    while true do
        local piece = pieces()
        if piece == nil or piece == '' then break end
        text[#text + 1] = piece
    end
    return globals.loadstring(table.concat(text), name or '=(load)')
end

-- Instructions counted, in every coroutine -----------------------------------------------------------------------------

local INSTRUCTIONS = 100000
local killed

local function on_line() error(killed, 0) end

local function on_count()
    killed = python_tick(INSTRUCTIONS)
    if killed then
        debug_sethook(on_line, 'l')
        error(killed, 0)
    end
end

local coroutines = {}
for name, value in pairs(coroutine) do coroutines[name] = value end
local create, wrap_resume = coroutine.create, coroutine.resume

function coroutines.create(body)
    local made = create(body)
    debug_sethook(made, on_count, '', INSTRUCTIONS)
    return made
end

local function passed(ok, ...)
    if ok then return ... end
    error((...), 0)
end

function coroutines.wrap(body)
    local made = coroutines.create(body)
    return function(...) return passed(wrap_resume(made, ...)) end
end

-- Put together ---------------------------------------------------------------------------------------------------------

globals.redis, globals.cjson, globals.cmsgpack = protect(redis), protect(cjson), protect(cmsgpack)
globals.struct, globals.bit, globals.math = protect(struct), protect(bit), protect(mathematics)
globals.string, globals.table, globals.coroutine = protect(string), protect(table), protect(coroutines)
local string_metatable = getmetatable('')
string_metatable.__index = globals.string

local metatable_of_strings = protect({__index = globals.string})
function globals.getmetatable(t)
    if behind[t] then return nil end
    if type(t) == 'string' then return metatable_of_strings end
    return getmetatable(t)
end

environment = protect(globals, function(_, name)
    local value = globals[name]
    if value == nil then
        error('Script attempted to access nonexistent global variable \'' .. tostring(name) .. '\'', 2)
    end
    return value
end)
globals._G = environment

-- The script's own line in which an error was raised
local function handler(failure)
    local level = 2
    local info = debug_getinfo(level, 'Sl')
    while info and (info.what == 'C' or info.what == 'tail' or info.source == '=sandbox') do
        level = level + 1
        info = debug_getinfo(level, 'Sl')
    end
    if type(failure) ~= 'table' then
        failure = {err = 'ERR ' .. tostring(failure)}
    elseif behind[failure] or failure.err == nil then
        failure = {err = 'ERR unknown error'}
    end
    if info then
        failure.source, failure.line = info.source, info.currentline
    end
    return failure
end

local function compile(text)
    local chunk, failure = loadstring(text, '@user_script')
    if not chunk then return nil, failure end
    return inside(loadstring(python_untail(dump(chunk)), '@user_script'))
end

local function run(chunk, keys, arguments)
    globals.KEYS, globals.ARGV, killed = keys, arguments, nil
    debug_sethook(on_count, '', INSTRUCTIONS)
    local ok, result = xpcall(chunk, handler) debug_sethook()      -- one line: the hook of a killed script is by line
    if not ok and type(result) ~= 'table' then result = {err = 'ERR ' .. tostring(killed or result)} end
    globals.KEYS, globals.ARGV = nil, nil
    return ok, result
end

return compile, run
"""
