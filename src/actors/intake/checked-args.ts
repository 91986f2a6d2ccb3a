import type { AnyJobDefinition } from '../../job/definition.ts';
import { checkArgs, requestFaultCode } from '../../job/job-request.ts';
import { Issues } from '../../kernel/check.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Json } from '../../kernel/json.ts';

/** Args as they are stored, or the refusal of a request that has others. */
export type CheckedArgs = { args: Json } | { error: RotaError };

/**
 * Checks args by the schema of their type, where this node has it; a schema that fails is told as a fault of the args.
 * @param about the type's name, and where the args stand in the request
 */
export async function checkedArgs(
  definition: AnyJobDefinition | undefined,
  value: Json,
  { type, path }: { type: string; path: string },
): Promise<CheckedArgs> {
  const issues = new Issues();
  const args = await checkArgs(definition, value, { path, issues }).catch((error: unknown) =>
    issues.add(path, `cannot be checked: the schema of "${type}" failed: ${errorText(error)}`),
  );
  if (args !== undefined) return { args };
  const first = issues.list[0];
  const code = requestFaultCode(issues) === 'too_large' ? 'too_large' : 'invalid_args';
  const text = first === undefined ? 'the args are not valid' : `${first.path} ${first.message}`;
  return { error: new RotaError(code, text, { issues: issues.list }) };
}
