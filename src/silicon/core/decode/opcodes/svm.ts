// AMD-V instructions (APM vol. 3, 24594, chapter 4: system instructions). VMGEXIT has both F3 and F2 forms.

import { H_CLGI, H_INVLPGA, H_SKINIT, H_STGI, H_VMGEXIT, H_VMLOAD, H_VMMCALL, H_VMRUN, H_VMSAVE } from '../../ir/helper-ids.js'
import { helper, helperEnd, row, type OpcodeRow } from '../row.js'

const svm = { feature: 'SVM', system: true } as const

export const svmRows: readonly OpcodeRow[] = [
  row('0F 01 =D8', 'vmrun', '', helperEnd(H_VMRUN), svm),
  row('0F 01 =D9', 'vmmcall', '', helperEnd(H_VMMCALL), svm),
  row('F3 0F 01 =D9', 'vmgexit', '', helperEnd(H_VMGEXIT), svm),
  row('F2 0F 01 =D9', 'vmgexit', '', helperEnd(H_VMGEXIT), svm),
  row('0F 01 =DA', 'vmload', '', helperEnd(H_VMLOAD), svm),
  row('0F 01 =DB', 'vmsave', '', helper(H_VMSAVE), svm),
  row('0F 01 =DC', 'stgi', '', helperEnd(H_STGI), svm),
  row('0F 01 =DD', 'clgi', '', helperEnd(H_CLGI), svm),
  row('0F 01 =DE', 'skinit', '', helperEnd(H_SKINIT), svm),
  row('0F 01 =DF', 'invlpga', '', helperEnd(H_INVLPGA), svm),
]
