// Kinds of OP_BMI. Those from BMI_PDEP on leave the flags. Field b is the register that VEX.vvvv names, or not used. Plain constants, both compilers.
export const BMI_ANDN = 0
export const BMI_BEXTR = 1
export const BMI_BZHI = 2
export const BMI_BLSR = 3
export const BMI_BLSMSK = 4
export const BMI_BLSI = 5
export const BMI_PDEP = 6
export const BMI_PEXT = 7
export const BMI_SHLX = 8
export const BMI_SHRX = 9
export const BMI_SARX = 10
/** By imm. */
export const BMI_RORX = 11
