"""`return redis.call(...)`, with its line in the error.

Redis names the line of a script in which a command failed.  There `redis.call` is a C function, and Lua keeps the
caller's frame while C runs.  Ours is a Lua function, and `return f(x)` to one of those is a tail call: the frame, and
with it the line, is gone before `f` begins.  It is the commonest form of all scripts.

So in the main chunk, and only there, each tail call is made an ordinary one: one instruction of the compiled program
differs in its opcode.  One frame more on the stack changes nothing else; functions that a script defines keep their
tail calls, and may recur by them for ever.

Source: Lua 5.1 `lopcodes.h` (the instructions), `ldump.c` (the layout of a compiled chunk).
"""

HEADER = 12  # bytes: signature, version, format, byte order, sizes of int, size_t, instruction, number, integral
SIZE_OF_SIZE = 8  # where the length of a string is a size_t
FUNCTION_HEAD = 4 + 4 + 4  # first line, last line; upvalues, parameters, vararg, stack
OPCODE = 0x3F
CALL, TAILCALL = 28, 29


def without_tail_calls(chunk: bytes) -> bytes:
    """A chunk as string.dump gives it, the tail calls of its main function made calls."""
    name_size = int.from_bytes(chunk[HEADER : HEADER + SIZE_OF_SIZE], "little")
    start = HEADER + SIZE_OF_SIZE + name_size + FUNCTION_HEAD
    count = int.from_bytes(chunk[start : start + 4], "little")
    code = bytearray(chunk)
    for at in range(start + 4, start + 4 + 4 * count, 4):
        if code[at] & OPCODE == TAILCALL:
            code[at] = code[at] & ~OPCODE | CALL
    return bytes(code)
