// The IR: operation codes of its 16-byte records, and the header of a cached block. Plain constants, both compilers.
//
// Record: op u16 @0 | d u8 @2 | a u8 @3 | b u8 @4 | c u8 @5 | x u16 @6 | imm i32 @8 | imm2 i32 @12.
// d, a and b are byte offsets into the register file unless said otherwise. x = pc offset of the instruction in the block (10 bits) | its index << 10.
// Sizes are numbered 0 = 8, 1 = 16, 2 = 32, 3 = 64 bits. Results of 32-bit operations are zero-extended, those of 8 and 16 bits leave the rest of the register.
// Operations of one family stand in order of size, then of operation, so that the lowering can compute their codes.

/** Leave the block before this instruction (the block has been dropped). */
export const OP_LEAVE = 0

// ---- d = a op b with flags (CMP and TEST write flags only); + operation * 4 + size
export const OP_ADD8 = 1
export const OP_ADD16 = 2
export const OP_ADD32 = 3
export const OP_ADD64 = 4
export const OP_OR8 = 5
export const OP_OR16 = 6
export const OP_OR32 = 7
export const OP_OR64 = 8
export const OP_ADC8 = 9
export const OP_ADC16 = 10
export const OP_ADC32 = 11
export const OP_ADC64 = 12
export const OP_SBB8 = 13
export const OP_SBB16 = 14
export const OP_SBB32 = 15
export const OP_SBB64 = 16
export const OP_AND8 = 17
export const OP_AND16 = 18
export const OP_AND32 = 19
export const OP_AND64 = 20
export const OP_SUB8 = 21
export const OP_SUB16 = 22
export const OP_SUB32 = 23
export const OP_SUB64 = 24
export const OP_XOR8 = 25
export const OP_XOR16 = 26
export const OP_XOR32 = 27
export const OP_XOR64 = 28
export const OP_CMP8 = 29
export const OP_CMP16 = 30
export const OP_CMP32 = 31
export const OP_CMP64 = 32
export const OP_TEST8 = 33
export const OP_TEST16 = 34
export const OP_TEST32 = 35
export const OP_TEST64 = 36

// ---- d = a op imm (sign-extended) with flags
export const OP_ADDI8 = 37
export const OP_ADDI16 = 38
export const OP_ADDI32 = 39
export const OP_ADDI64 = 40
export const OP_ORI8 = 41
export const OP_ORI16 = 42
export const OP_ORI32 = 43
export const OP_ORI64 = 44
export const OP_ADCI8 = 45
export const OP_ADCI16 = 46
export const OP_ADCI32 = 47
export const OP_ADCI64 = 48
export const OP_SBBI8 = 49
export const OP_SBBI16 = 50
export const OP_SBBI32 = 51
export const OP_SBBI64 = 52
export const OP_ANDI8 = 53
export const OP_ANDI16 = 54
export const OP_ANDI32 = 55
export const OP_ANDI64 = 56
export const OP_SUBI8 = 57
export const OP_SUBI16 = 58
export const OP_SUBI32 = 59
export const OP_SUBI64 = 60
export const OP_XORI8 = 61
export const OP_XORI16 = 62
export const OP_XORI32 = 63
export const OP_XORI64 = 64
export const OP_CMPI8 = 65
export const OP_CMPI16 = 66
export const OP_CMPI32 = 67
export const OP_CMPI64 = 68
export const OP_TESTI8 = 69
export const OP_TESTI16 = 70
export const OP_TESTI32 = 71
export const OP_TESTI64 = 72

// ---- the same without flags, 32 and 64 bits: + operation * 2 + (size - 2); ADD OR AND SUB XOR
export const OP_ADDN32 = 73
export const OP_ADDN64 = 74
export const OP_ORN32 = 75
export const OP_ORN64 = 76
export const OP_ANDN32 = 77
export const OP_ANDN64 = 78
export const OP_SUBN32 = 79
export const OP_SUBN64 = 80
export const OP_XORN32 = 81
export const OP_XORN64 = 82
export const OP_ADDIN32 = 83
export const OP_ADDIN64 = 84
export const OP_ORIN32 = 85
export const OP_ORIN64 = 86
export const OP_ANDIN32 = 87
export const OP_ANDIN64 = 88
export const OP_SUBIN32 = 89
export const OP_SUBIN64 = 90
export const OP_XORIN32 = 91
export const OP_XORIN64 = 92

// ---- d = op a
export const OP_INC8 = 93
export const OP_INC16 = 94
export const OP_INC32 = 95
export const OP_INC64 = 96
export const OP_DEC8 = 97
export const OP_DEC16 = 98
export const OP_DEC32 = 99
export const OP_DEC64 = 100
export const OP_NEG8 = 101
export const OP_NEG16 = 102
export const OP_NEG32 = 103
export const OP_NEG64 = 104
export const OP_NOT8 = 105
export const OP_NOT16 = 106
export const OP_NOT32 = 107
export const OP_NOT64 = 108

// ---- d = a shifted by imm (1..31 or 63) with flags; by the low byte at b (masked; 0 leaves flags)
export const OP_SHLI8 = 109
export const OP_SHLI16 = 110
export const OP_SHLI32 = 111
export const OP_SHLI64 = 112
export const OP_SHRI8 = 113
export const OP_SHRI16 = 114
export const OP_SHRI32 = 115
export const OP_SHRI64 = 116
export const OP_SARI8 = 117
export const OP_SARI16 = 118
export const OP_SARI32 = 119
export const OP_SARI64 = 120
export const OP_SHL8 = 121
export const OP_SHL16 = 122
export const OP_SHL32 = 123
export const OP_SHL64 = 124
export const OP_SHR8 = 125
export const OP_SHR16 = 126
export const OP_SHR32 = 127
export const OP_SHR64 = 128
export const OP_SAR8 = 129
export const OP_SAR16 = 130
export const OP_SAR32 = 131
export const OP_SAR64 = 132

// ---- the same by imm without flags, 32 and 64 bits
export const OP_SHLIN32 = 133
export const OP_SHLIN64 = 134
export const OP_SHRIN32 = 135
export const OP_SHRIN64 = 136
export const OP_SARIN32 = 137
export const OP_SARIN64 = 138
/** d = a rotated by the low byte at b; c = size | kind << 2 (0 ROL, 1 ROR, 2 RCL, 3 RCR). */
export const OP_ROTATE = 139
/** d = a:b double shift by the low byte at T1; c = size | (right ? 4 : 0). */
export const OP_SHIFT_DOUBLE = 140

// ---- moves
/** d = a */
export const OP_MOV64 = 141
export const OP_MOV32 = 142
export const OP_MOV16 = 143
export const OP_MOV8 = 144
/** d = 64-bit immediate in imm and imm2 */
export const OP_MOVI64 = 145
/** d = imm sign-extended */
export const OP_MOVI64S = 146
/** d = imm zero-extended */
export const OP_MOVI32 = 147
export const OP_MOVI16 = 148
export const OP_MOVI8 = 149
export const OP_ZX8 = 150
export const OP_ZX16 = 151
export const OP_SX8_32 = 152
export const OP_SX8_64 = 153
export const OP_SX16_32 = 154
export const OP_SX16_64 = 155
export const OP_SX32_64 = 156
export const OP_SX8_16 = 157
export const OP_ZX8_16 = 158
export const OP_XCHG8 = 159
export const OP_XCHG16 = 160
export const OP_XCHG32 = 161
export const OP_XCHG64 = 162

// ---- addresses: BD = a + imm, BIS = a + (b << c) + imm; 32: truncated to 32 bits
export const OP_LEA_BD = 163
export const OP_LEA_BIS = 164
export const OP_LEA32_BD = 165
export const OP_LEA32_BIS = 166
/** d = linear address of offset a in segment b for an access of c & 0x7f bytes (write: c & 0x80), checked; imm: address mask 0xffff or -1; imm2: added to the offset. Outside 64-bit mode. */
export const OP_SEGMENT = 167
/** Raises #SS(0) (stack references through RBP or RSP) when the linear address at a is not canonical. */
export const OP_CANONICAL = 168

// ---- loads from linear address (BD: a + imm; BIS: a + (b << c) + imm) into d
export const OP_LD_Z8_BD = 169
export const OP_LD_Z16_BD = 170
export const OP_LD_Z32_BD = 171
export const OP_LD_Z64_BD = 172
export const OP_LD_S8_32_BD = 173
export const OP_LD_S8_64_BD = 174
export const OP_LD_S16_32_BD = 175
export const OP_LD_S16_64_BD = 176
export const OP_LD_S32_64_BD = 177
export const OP_LD_P8_BD = 178
export const OP_LD_P16_BD = 179
export const OP_LD_S8_16_BD = 180
export const OP_LD_Z8_BIS = 181
export const OP_LD_Z16_BIS = 182
export const OP_LD_Z32_BIS = 183
export const OP_LD_Z64_BIS = 184
export const OP_LD_S8_32_BIS = 185
export const OP_LD_S8_64_BIS = 186
export const OP_LD_S16_32_BIS = 187
export const OP_LD_S16_64_BIS = 188
export const OP_LD_S32_64_BIS = 189
export const OP_LD_P8_BIS = 190
export const OP_LD_P16_BIS = 191
export const OP_LD_S8_16_BIS = 192

// ---- stores of d
export const OP_ST8_BD = 193
export const OP_ST16_BD = 194
export const OP_ST32_BD = 195
export const OP_ST64_BD = 196
export const OP_ST8_BIS = 197
export const OP_ST16_BIS = 198
export const OP_ST32_BIS = 199
export const OP_ST64_BIS = 200

// ---- stores of imm2 (sign-extended) at a + imm
export const OP_STI8 = 201
export const OP_STI16 = 202
export const OP_STI32 = 203
export const OP_STI64 = 204

// ---- load of d from linear address at a that the same instruction will write back
export const OP_LDW8 = 205
export const OP_LDW16 = 206
export const OP_LDW32 = 207
export const OP_LDW64 = 208

// ---- stack of 64-bit mode, flat; and control transfer. Terminators: taken delta i32 @8 from the start of the block, link u32 @12; c = instructions of the block
export const OP_PUSH64 = 209
export const OP_PUSHI64 = 210
export const OP_POP64 = 211
/** Pushes PC + return delta (u16 in a and b) and jumps. */
export const OP_CALL = 212
/** Pushes PC + imm and jumps to the address at a. b = 1, here and in RET and JMPI: the dispatcher finds the target (MODE_SINGLE). */
export const OP_CALLI = 213
/** Pops RIP, adds imm to RSP. */
export const OP_RET = 214
export const OP_JMP = 215
/** Jumps to the offset at a; d = 1: which is checked against the limit of CS. */
export const OP_JMPI = 216
/** Falls through: the same as JMP, for the end of a block that is none of control flow. */
export const OP_NEXT = 217

// ---- conditional branches: + condition (x86 tttn). Extension record: taken delta @0, link @4, not-taken delta @8, link @12
export const OP_JO = 218
export const OP_JNO = 219
export const OP_JB = 220
export const OP_JAE = 221
export const OP_JE = 222
export const OP_JNE = 223
export const OP_JBE = 224
export const OP_JA = 225
export const OP_JS = 226
export const OP_JNS = 227
export const OP_JP = 228
export const OP_JNP = 229
export const OP_JL = 230
export const OP_JGE = 231
export const OP_JLE = 232
export const OP_JG = 233

// ---- compare a with b (or imm) and branch
export const OP_CMPJ_B_8 = 234
export const OP_CMPJ_B_32 = 235
export const OP_CMPJ_B_64 = 236
export const OP_CMPJ_AE_8 = 237
export const OP_CMPJ_AE_32 = 238
export const OP_CMPJ_AE_64 = 239
export const OP_CMPJ_E_8 = 240
export const OP_CMPJ_E_32 = 241
export const OP_CMPJ_E_64 = 242
export const OP_CMPJ_NE_8 = 243
export const OP_CMPJ_NE_32 = 244
export const OP_CMPJ_NE_64 = 245
export const OP_CMPJ_BE_8 = 246
export const OP_CMPJ_BE_32 = 247
export const OP_CMPJ_BE_64 = 248
export const OP_CMPJ_A_8 = 249
export const OP_CMPJ_A_32 = 250
export const OP_CMPJ_A_64 = 251
export const OP_CMPJ_L_8 = 252
export const OP_CMPJ_L_32 = 253
export const OP_CMPJ_L_64 = 254
export const OP_CMPJ_GE_8 = 255
export const OP_CMPJ_GE_32 = 256
export const OP_CMPJ_GE_64 = 257
export const OP_CMPJ_LE_8 = 258
export const OP_CMPJ_LE_32 = 259
export const OP_CMPJ_LE_64 = 260
export const OP_CMPJ_G_8 = 261
export const OP_CMPJ_G_32 = 262
export const OP_CMPJ_G_64 = 263
export const OP_CMPIJ_B_8 = 264
export const OP_CMPIJ_B_32 = 265
export const OP_CMPIJ_B_64 = 266
export const OP_CMPIJ_AE_8 = 267
export const OP_CMPIJ_AE_32 = 268
export const OP_CMPIJ_AE_64 = 269
export const OP_CMPIJ_E_8 = 270
export const OP_CMPIJ_E_32 = 271
export const OP_CMPIJ_E_64 = 272
export const OP_CMPIJ_NE_8 = 273
export const OP_CMPIJ_NE_32 = 274
export const OP_CMPIJ_NE_64 = 275
export const OP_CMPIJ_BE_8 = 276
export const OP_CMPIJ_BE_32 = 277
export const OP_CMPIJ_BE_64 = 278
export const OP_CMPIJ_A_8 = 279
export const OP_CMPIJ_A_32 = 280
export const OP_CMPIJ_A_64 = 281
export const OP_CMPIJ_L_8 = 282
export const OP_CMPIJ_L_32 = 283
export const OP_CMPIJ_L_64 = 284
export const OP_CMPIJ_GE_8 = 285
export const OP_CMPIJ_GE_32 = 286
export const OP_CMPIJ_GE_64 = 287
export const OP_CMPIJ_LE_8 = 288
export const OP_CMPIJ_LE_32 = 289
export const OP_CMPIJ_LE_64 = 290
export const OP_CMPIJ_G_8 = 291
export const OP_CMPIJ_G_32 = 292
export const OP_CMPIJ_G_64 = 293
export const OP_TESTJ_E_8 = 294
export const OP_TESTJ_E_32 = 295
export const OP_TESTJ_E_64 = 296
export const OP_TESTJ_NE_8 = 297
export const OP_TESTJ_NE_32 = 298
export const OP_TESTJ_NE_64 = 299
export const OP_TESTJ_S_8 = 300
export const OP_TESTJ_S_32 = 301
export const OP_TESTJ_S_64 = 302
export const OP_TESTJ_NS_8 = 303
export const OP_TESTJ_NS_32 = 304
export const OP_TESTJ_NS_64 = 305
export const OP_TESTIJ_E_8 = 306
export const OP_TESTIJ_E_32 = 307
export const OP_TESTIJ_E_64 = 308
export const OP_TESTIJ_NE_8 = 309
export const OP_TESTIJ_NE_32 = 310
export const OP_TESTIJ_NE_64 = 311
export const OP_TESTIJ_S_8 = 312
export const OP_TESTIJ_S_32 = 313
export const OP_TESTIJ_S_64 = 314
export const OP_TESTIJ_NS_8 = 315
export const OP_TESTIJ_NS_32 = 316
export const OP_TESTIJ_NS_64 = 317
/** Branches when the low d bytes at a are zero (JCXZ); d = 2, 4 or 8. */
export const OP_JZ_SLOT = 318
export const OP_JNZ_SLOT = 319

// ---- conditions as values: + condition
export const OP_SETO = 320
export const OP_SETNO = 321
export const OP_SETB = 322
export const OP_SETAE = 323
export const OP_SETE = 324
export const OP_SETNE = 325
export const OP_SETBE = 326
export const OP_SETA = 327
export const OP_SETS = 328
export const OP_SETNS = 329
export const OP_SETP = 330
export const OP_SETNP = 331
export const OP_SETL = 332
export const OP_SETGE = 333
export const OP_SETLE = 334
export const OP_SETG = 335
/** d = a if condition c. */
export const OP_CMOV16 = 336
/** A false condition still clears the upper half. */
export const OP_CMOV32 = 337
export const OP_CMOV64 = 338

// ---- integer odds and ends
export const OP_IMUL16 = 339
export const OP_IMUL32 = 340
export const OP_IMUL64 = 341
/** RDX:RAX = RAX * a; c = size | (signed ? 4 : 0). */
export const OP_MULTIPLY = 342
/** RAX, RDX = RDX:RAX / a; c = size | (signed ? 4 : 0); #DE. */
export const OP_DIVIDE = 343
/** BT, BTS, BTR, BTC of d by the bit number at b; c = size | kind << 2. BT writes flags only. */
export const OP_BIT = 344
/** d = scan of a: c = size | kind << 2 (0 BSF, 1 BSR, 2 TZCNT, 3 LZCNT, 4 POPCNT). */
export const OP_SCAN = 345
export const OP_BSWAP32 = 346
export const OP_BSWAP64 = 347
/** RDX = sign of RAX; c = size (CWD, CDQ, CQO). */
export const OP_SIGN = 348
/** imm: 0 CLC, 1 STC, 2 CMC, 3 CLD, 4 STD, 5 LAHF, 6 SAHF. */
export const OP_FLAG = 349
/** MULX: b = low half, then d = high half of RDX * a; c = size. No flags. */
export const OP_MULTIPLY_APART = 350
/** d = d + a + one flag, which is all that changes of the flags; c = size | (OF ? 4 : 0), else CF. */
export const OP_ADD_CARRY = 351
/** BMI: d = kind(a, b); c = size | kind << 2 (ir/bmi-kinds.ts). */
export const OP_BMI = 352
/** Raises exception d; imm2 = error code if a is nonzero. */
export const OP_RAISE = 353

// ---- calls of kernel functions: docs/core.md
export const OP_HLP = 354
export const OP_VEC = 355
export const OP_X87 = 356

// ---- vector moves of 16 bytes that need no helper: d and a are XMM numbers
export const OP_VMOV = 357
/** xmm d = 16 bytes at a + imm; c = 1: aligned. */
export const OP_VLD_BD = 358
export const OP_VST_BD = 359

// ---- at the head of a block that the translator may take
/** Counts imm down; at zero leaves with EXIT_HOT. */
export const OP_PROFILE = 360
/** The block is entry imm2 of translated region imm (REGION_TABLE); falls through to interpretation where that cannot run now. */
export const OP_REGION = 361
export const OP_COUNT = 362
/** Executions of a block before it is offered to the translator. */
export const PROFILE_THRESHOLD = 5000

// ---- header of a block, u32 fields
export const BLOCK_VALID = 0
/** Instructions. */
export const BLOCK_COUNT = 4
export const BLOCK_FRAME = 8
/** Offset of the first instruction in its frame. */
export const BLOCK_OFFSET = 12
/** Length in bytes of code. */
export const BLOCK_LENGTH = 16
export const BLOCK_MODE = 20
/** Key that the code was read under. */
export const BLOCK_KEY = 24
/** Frame of the bytes beyond the first page, or BLOCK_NO_FRAME. */
export const BLOCK_FRAME2 = 28
/** Address behind the last record, where the next block begins. */
export const BLOCK_END = 32
export const BLOCK_NEXT_HASH = 36
export const BLOCK_NEXT_IN_FRAME = 40
export const BLOCK_NEXT_IN_FRAME2 = 44
/** Address of the first member of the chain of regions that hold this block, or 0; how many of them are of the common size. */
export const BLOCK_REGIONS = 48
export const BLOCK_REGION_COUNT = 52
/** Of what it was lowered to (translate/kept-code.ts). */
export const BLOCK_HASH = 56
export const BLOCK_FIRST_RECORD = 64
export const BLOCK_HEADER_BYTES = 64
export const BLOCK_NO_FRAME = 0xffffffff

/** Limits of a block: x has 6 bits for the index and 10 for the pc offset. */
export const BLOCK_INSTRUCTIONS_MAX = 62
export const BLOCK_BYTES_MAX = 1000

// ---- values of a link that are no block address
export const LINK_UNRESOLVED = 0
export const LINK_NEVER = 1
/** Never, and RIP is truncated to 16 bits. */
export const LINK_16 = 2

// ---- words at CODE_CACHE_WORDS
export const CODE_ARENA_POINTER = 0
export const CODE_CORES = 4
export const CODE_BLOCKS_DROPPED = 8
export const CODE_CLEARS = 12
/** Instructions that translated code ran (u64). */
export const CODE_TRANSLATED = 16
/** Nonzero: a block that belongs to a region has been dropped since the running region was entered. */
export const CODE_STALE = 24
/** Changes whenever a region comes or goes (u32): what the jump cache says of regions holds no longer. */
export const CODE_GENERATION = 28
/** Times that a region was entered (u64), and those that come until the next that counts for its region (u32). */
export const CODE_ENTRIES = 32
export const CODE_UNCOUNTED = 40
