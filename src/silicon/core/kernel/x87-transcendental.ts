export function x87_2xm1(s: usize): u32 { return 0 }
export function x87_yl2x(s: usize): u32 { return 0 }
export function x87_yl2xp1(s: usize): u32 { return 0 }
export function x87_tangent(s: usize): u32 { return 0 }
export function x87_atan(s: usize): u32 { return 0 }
export function x87_sine(s: usize, n: i32): u32 { return 0 }
