import { Type } from '../json-schema.js';

export const endpointSchema = Type.Object({ address: Type.String(), port: Type.Integer() });
