// Numbers of the kernel's HLP helpers. Plain constants, both compilers. Ranges by file:
// 1..39 interpreter (strings, integer odds and ends); 40..139 system.ts, control.ts, segment.ts, exception.ts; 140..179 svm.ts, mmu.ts; 180..219 xsave.ts.
export const H_NONE = 0
