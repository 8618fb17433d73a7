// Numbers of the kernel's HLP helpers. Plain constants, both compilers. Ranges by file:
// 1..39 interpreter (strings, integer odds and ends); 40..139 system.ts, control.ts, segment.ts, exception.ts; 140..179 svm.ts, mmu.ts; 180..219 xsave.ts.
export const H_NONE = 0
// ---- 140..179: AMD-V
export const H_VMRUN = 140
export const H_VMMCALL = 141
export const H_VMLOAD = 142
export const H_VMSAVE = 143
export const H_STGI = 144
export const H_CLGI = 145
export const H_SKINIT = 146
export const H_INVLPGA = 147
export const H_VMGEXIT = 148
