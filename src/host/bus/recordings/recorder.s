# Multiboot program that performs the accesses of table.bin and sends every answer to port 0xe9.
# A record is an opcode byte and operands: 1 OUT port16 value8, 2 IN port16, 3 store address32 value32, 4 load address32,
# 5 take interrupts (each handler sends its vector; a zero byte ends the list), 0 end.
.code32
.text
.globl _start
hdr: .long 0x1BADB002, 0x10000, -(0x1BADB002+0x10000)
 .long hdr, hdr, 0, 0, _start
_start: cli
 mov $0x200000,%esp
 lgdt gdtr
 ljmp $8,$0f
0: mov $16,%ax
 mov %ax,%ds
 mov %ax,%es
 mov %ax,%ss
 mov $0x180000,%edi
 mov $stubs,%eax
 mov $256,%ecx
8: mov %ax,(%edi)
 movw $8,2(%edi)
 movw $0x8e00,4(%edi)
 mov %eax,%edx
 shr $16,%edx
 mov %dx,6(%edi)
 add $8,%edi
 add $16,%eax
 loop 8b
 lidt idtr
 mov $table, %esi
 cld
next: xor %eax,%eax
 lodsb
 cmp $0,%al
 je 9f
 cmp $3,%al
 je 3f
 cmp $4,%al
 je 4f
 cmp $5,%al
 je 5f
 mov %al,%cl
 lodsw
 mov %ax,%dx
 cmp $1,%cl
 je 2f
 inb %dx,%al
 outb %al,$0xe9
 jmp next
2: lodsb
 outb %al,%dx
 jmp next
3: lodsl
 mov %eax,%ebx
 lodsl
 mov %eax,(%ebx)
 jmp next
4: lodsl
 mov (%eax),%ebx
 mov $4,%ecx
6: mov %bl,%al
 outb %al,$0xe9
 shr $8,%ebx
 loop 6b
 jmp next
5: mov $2000,%ecx
7: loop 7b
 sti
 nop
 nop
 cli
 mov $0,%al
 outb %al,$0xe9
 jmp next
9: mov $0,%al
 outb %al,$0xf4
 hlt
common: pusha
 mov 32(%esp),%al
 outb %al,$0xe9
 popa
 add $4,%esp
 iret
.balign 16
stubs:
.set i,0
.rept 256
.balign 16
 pushl $i
 jmp common
.set i,i+1
.endr
.balign 8
gdt: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr: .word 23
 .long gdt
idtr: .word 2047
 .long 0x180000
table: .incbin "table.bin"
