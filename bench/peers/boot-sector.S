/*
 * Boots Linux from a disk that holds nothing else: for machines that have no direct way to a kernel. Linux Documentation/arch/x86/boot.rst, 16-bit boot
 * protocol. The disk: this sector, a sector of parameters, the command line (4 sectors), then kernel and initramfs, each from a multiple of 64 sectors.
 * Reads go by INT 13h to 0x10000 and from there upwards by INT 15h AH=87h, 32 KiB at a time.
 */
	.code16
	.globl _start
	.set	BUFFER_SEGMENT, 0x1000
	.set	SETUP_SEGMENT, 0x9000
	.set	COMMAND_SEGMENT, 0x9800		/* 0x98000: above the setup code's heap */
	.set	PARAMETERS, 0x7e00
	.set	CHUNK_SECTORS, 64

	/* The sector of parameters, as boot-disk.ts writes it. */
	.set	SETUP_LBA, PARAMETERS
	.set	SETUP_SECTORS, PARAMETERS + 4
	.set	KERNEL_LBA, PARAMETERS + 8
	.set	KERNEL_CHUNKS, PARAMETERS + 12
	.set	INITRD_LBA, PARAMETERS + 16
	.set	INITRD_CHUNKS, PARAMETERS + 20
	.set	INITRD_ADDRESS, PARAMETERS + 24
	.set	INITRD_BYTES, PARAMETERS + 28

_start:	ljmp	$0, $begin
begin:	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	sti
	cld
	movb	%dl, drive
	/* Parameters behind this sector, command line to its place. */
	movl	$1, %eax
	movw	$1, %cx
	movl	$0x07e00000, %ebx		/* segment 0x07e0, offset 0 */
	call	read
	movl	$2, %eax
	movw	$4, %cx
	movl	$(COMMAND_SEGMENT << 16), %ebx
	call	read
	/* The real-mode part, up to 32 KiB, goes by the buffer, for it may be copied before it is patched. */
	movl	SETUP_LBA, %eax
	movw	SETUP_SECTORS, %cx
	movl	$(SETUP_SEGMENT << 16), %ebx
	call	read
	/* The kernel to 1 MiB. */
	movl	KERNEL_LBA, %eax
	movl	KERNEL_CHUNKS, %ebp
	movl	$0x100000, %edi
	call	high
	movl	INITRD_LBA, %eax
	movl	INITRD_CHUNKS, %ebp
	movl	INITRD_ADDRESS, %edi
	call	high
	/* The setup header. */
	movw	$SETUP_SEGMENT, %ax
	movw	%ax, %es
	movb	$0xff, %es:0x210		/* type_of_loader: none that is registered */
	orb	$0x80, %es:0x211		/* loadflags: CAN_USE_HEAP */
	movw	$0x7e00, %es:0x224		/* heap_end_ptr: 0x8000 less 0x200 */
	movl	$(COMMAND_SEGMENT << 4), %es:0x228
	movl	INITRD_ADDRESS, %eax
	movl	%eax, %es:0x218
	movl	INITRD_BYTES, %eax
	movl	%eax, %es:0x21c
	cli
	movw	$SETUP_SEGMENT, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movw	$0x8000, %sp
	ljmp	$(SETUP_SEGMENT + 0x20), $0

/* EAX = first sector, EBP = chunks, EDI = where to. */
high:	testl	%ebp, %ebp
	jz	1f
	pushl	%eax
	movw	$CHUNK_SECTORS, %cx
	movl	$(BUFFER_SEGMENT << 16), %ebx
	call	read
	movl	%edi, %eax
	movw	%ax, target
	shrl	$16, %eax
	movb	%al, target + 2
	movb	%ah, target_high
	pushl	%edi
	pushl	%ebp
	movb	$0x87, %ah
	movw	$(CHUNK_SECTORS * 256), %cx	/* words */
	movw	$table, %si
	xorw	%bx, %bx
	movw	%bx, %es
	int	$0x15
	popl	%ebp
	popl	%edi
	jc	failed
	popl	%eax
	addl	$CHUNK_SECTORS, %eax
	addl	$(CHUNK_SECTORS * 512), %edi
	decl	%ebp
	jmp	high
1:	ret

/* EAX = first sector, CX = how many, EBX = segment:offset. INT 13h AH=42h. */
read:	movl	%eax, packet + 8
	movw	%cx, packet + 2
	movl	%ebx, packet + 4
	movb	drive, %dl
	movw	$packet, %si
	movb	$0x42, %ah
	int	$0x13
	jc	failed
	ret

failed:	movw	$0x0e21, %ax			/* "!" */
	int	$0x10
	hlt
	jmp	failed

drive:	.byte	0
	.balign	4
packet:	.byte	16, 0
	.word	0
	.long	0
	.quad	0
/* Descriptors for INT 15h AH=87h: two empty, source, target, two for the BIOS. */
	.balign	8
table:	.quad	0, 0
	.word	0xffff, 0, 0x9301, 0		/* BUFFER_SEGMENT << 4 = 0x10000 */
	.word	0xffff
target:	.word	0
	.byte	0, 0x93, 0
target_high:
	.byte	0
	.quad	0, 0
	.org	510
	.word	0xaa55
