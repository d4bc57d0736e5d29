#include "textflag.h"

// PLAIN leaves in X8 a byte of ones for each of X0's bytes that is a quote (X5), a backslash (X6), or below a space (X7) when it is taken
// with its sign: a control character, or none of ASCII.
#define PLAIN \
	MOVOA X0, X8; \
	PCMPEQB X5, X8; \
	MOVOA X0, X9; \
	PCMPEQB X6, X9; \
	POR X9, X8; \
	MOVOA X7, X9; \
	PCMPGTB X0, X9; \
	POR X9, X8

// func blocks(b []byte, i int) int
TEXT ·blocks(SB), NOSPLIT, $0-40
	MOVQ b_base+0(FP), SI
	MOVQ b_len+8(FP), DX
	MOVQ i+24(FP), AX
	MOVQ $0x2222222222222222, CX
	MOVQ CX, X5
	PUNPCKLQDQ X5, X5
	MOVQ $0x5c5c5c5c5c5c5c5c, CX
	MOVQ CX, X6
	PUNPCKLQDQ X6, X6
	MOVQ $0x2020202020202020, CX
	MOVQ CX, X7
	PUNPCKLQDQ X7, X7

many:
	LEAQ 64(AX), CX
	CMPQ CX, DX
	JGT one
	MOVOU (SI)(AX*1), X0
	PLAIN
	MOVOA X8, X10
	MOVOU 16(SI)(AX*1), X0
	PLAIN
	POR X8, X10
	MOVOU 32(SI)(AX*1), X0
	PLAIN
	POR X8, X10
	MOVOU 48(SI)(AX*1), X0
	PLAIN
	POR X8, X10
	PMOVMSKB X10, R8
	TESTL R8, R8
	JNZ one
	MOVQ CX, AX
	JMP many

one:
	LEAQ 16(AX), CX
	CMPQ CX, DX
	JGT done
	MOVOU (SI)(AX*1), X0
	PLAIN
	PMOVMSKB X8, R8
	TESTL R8, R8
	JNZ found
	MOVQ CX, AX
	JMP one

found:
	BSFL R8, R8
	ADDQ R8, AX

done:
	MOVQ AX, ret+32(FP)
	RET
