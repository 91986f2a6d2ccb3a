/**
 * Requests for jobs that programs write inside transactions of their own, by the function `enqueue`: a row is there for
 * others from their commit on, and never if they roll back. The durable intake makes jobs of them, so that there is one
 * place where a request is checked as a whole, gets its type's defaults and is held to be unique.
 *
 * `taken_until` is when the one who took a row may be taken to have died. It has no index, so that taking and holding are
 * changes in place: a row is here for about one poll.
 *
 * The function runs as its owner: whoever may call it needs no right on any table, and can read none. Nobody may call it
 * but who was granted that. It checks what is said in a few words, so that a program hears of it at once; the sizes are twice
 * those of the wire, because jsonb is written with more white space than was given. What the id's millisecond leaves of
 * the time is in the 12 bits behind it (RFC 9562, 6.2, method 3), so that the ids of one transaction rise.
 */
export const requests = `
create table @requests (
  seq bigint generated always as identity primary key,
  at bigint not null,
  taken_until bigint not null default 0,
  id uuid not null,
  deliveries integer not null default 0,
  queue text collate "C" not null,
  traceparent text,
  body text not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

create function @enqueue(type text, args jsonb default '{}', queue text default 'default', options jsonb default '{}')
returns uuid language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $function$
#variable_conflict use_variable
declare
  fields constant text[] := '{id,priority,scheduledAt,scheduleIn,maxAttempts,backoff,timeout,tags,meta,reference,'
    'unique,deadline,traceparent}';
  micros constant bigint := floor(extract(epoch from clock_timestamp()) * 1000000);
  fraction constant integer := (micros % 1000) * 4096 / 1000;
  given constant jsonb := case jsonb_typeof(options) when 'null' then '{}' else coalesce(options, '{}') end;
  content constant jsonb := case jsonb_typeof(args) when 'null' then '{}' else coalesce(args, '{}') end;
  target constant text := coalesce(queue, 'default');
  fault text;
  bytes bytea;
  job uuid;
begin
  if type is null or type collate "C" !~ '^[A-Za-z0-9_.:-]{1,128}$' then
    fault := 'type must be a job type: 1 to 128 of A-Z a-z 0-9 _ . : -';
  elsif target collate "C" !~ '^[A-Za-z0-9_-]{1,64}$' then
    fault := 'queue must be a queue name: 1 to 64 of A-Z a-z 0-9 _ -';
  elsif jsonb_typeof(content) not in ('object', 'array') then
    fault := 'args must be an object or an array';
  elsif jsonb_typeof(given) <> 'object' then
    fault := 'options must be an object';
  else
    select key || ' is not a known option; known are ' || array_to_string(fields, ', ') into fault
      from jsonb_object_keys(given) as key where key <> all (fields) order by key limit 1;
    if fault is null and lower(given ->> 'id') collate "C"
      !~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' then
      fault := 'id must be a UUIDv7';
    elsif fault is null and given ->> 'scheduleIn' is not null and given ->> 'scheduledAt' is not null then
      fault := 'scheduleIn cannot stand beside scheduledAt: give one of them';
    end if;
  end if;
  if fault is not null then
    raise exception using errcode = 'invalid_parameter_value', message = 'enqueue: ' || fault;
  end if;
  if octet_length(content::text) > 524288 or octet_length(given::text) > 262144 then
    raise exception using errcode = 'program_limit_exceeded',
      message = 'enqueue: too large: args may have 256 KiB of JSON, meta 64 KiB';
  end if;
  job := given ->> 'id';
  if job is null then
    bytes := overlay(uuid_send(gen_random_uuid()) placing substring(int8send(micros / 1000) from 3) from 1);
    bytes := set_byte(set_byte(bytes, 6, 112 | (fraction >> 8)), 7, fraction & 255);
    job := encode(bytes, 'hex');
  end if;
  insert into @requests (at, id, queue, traceparent, body) values (
    micros / 1000, job, target, given ->> 'traceparent',
    (given - 'traceparent' || jsonb_build_object('type', type, 'args', content, 'id', job))::text
  );
  return job;
end
$function$;
revoke all on function @enqueue(text, jsonb, text, jsonb) from public;
`;
